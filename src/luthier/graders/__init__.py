"""What an answer is worth: graders by name, the same for training, for exams and for whoever writes their own."""
