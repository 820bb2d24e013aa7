"""Trees as DOCX, PPTX, XLSX and HTML files."""

from html import escape
from pathlib import Path
from typing import Any

import openpyxl
from bench.data._tree import Listing, Paragraph, Part, Section, Table, Tree
from docx import Document
from pptx import Presentation
from pptx.util import Inches


def write_docx(tree: Tree, path: Path) -> None:
    """Headings by style, bullets by style, tables as tables, a running header."""
    document = Document()
    document.sections[0].header.paragraphs[0].text = "Confidential furniture"
    for section in tree.sections:
        document.add_heading(section.title, level=section.level)
        for part in section.parts:
            _add_docx_part(document, part)
    document.save(str(path))


def _add_docx_part(document: Any, part: Part) -> None:
    if isinstance(part, Table):
        table = document.add_table(rows=len(part.rows) + 1, cols=len(part.header))
        for line, row in zip(table.rows, [part.header, *part.rows], strict=True):
            for cell, text in zip(line.cells, row, strict=True):
                cell.text = text
    elif isinstance(part, Paragraph):
        document.add_paragraph(" ".join(part.sentences))
    else:
        for item in part.items:
            document.add_paragraph(item, style="List Bullet")


def write_pptx(tree: Tree, path: Path) -> None:
    """A slide for each section; the second paragraph of a section goes into the notes."""
    deck = Presentation()
    for section in tree.sections:
        slide = deck.slides.add_slide(deck.slide_layouts[1])
        slide.shapes.title.text = section.title
        frame, notes, number = slide.placeholders[1].text_frame, [], 0
        for part in section.parts:
            if isinstance(part, Table):
                _add_slide_table(slide, part)
                continue
            lines = [" ".join(part.sentences)] if isinstance(part, Paragraph) else list(part.items)
            number += isinstance(part, Paragraph)
            if number == 2 and isinstance(part, Paragraph):
                notes += lines
                continue
            for line in lines:
                paragraph = frame.paragraphs[0] if not frame.text else frame.add_paragraph()
                paragraph.text = line
        if notes:
            slide.notes_slide.notes_text_frame.text = "\n".join(notes)
    deck.save(str(path))


def _add_slide_table(slide: Any, part: Table) -> None:
    shape = slide.shapes.add_table(len(part.rows) + 1, len(part.header), Inches(1), Inches(4.5), Inches(8), Inches(2))
    for number, row in enumerate([part.header, *part.rows]):
        for place, text in enumerate(row):
            shape.table.cell(number, place).text = text


def write_xlsx(tree: Tree, path: Path) -> None:
    """A sheet for each section that is named after it; sentences in cells, tables with numbers as numbers."""
    book = openpyxl.Workbook()
    book.remove(book.active)
    for section in tree.sections:
        sheet = book.create_sheet(section.title[:31])
        for part in section.parts:
            for row in _sheet_rows(part):
                sheet.append(row)
            sheet.append([])
            sheet.append([None])
    book.save(str(path))


def _sheet_rows(part: Part) -> list[list[object]]:
    if isinstance(part, Table):
        return [list(part.header), *([row[0], *map(_number, row[1:])] for row in part.rows)]
    return [[line] for line in (part.sentences if isinstance(part, Paragraph) else part.items)]


def _number(text: str) -> int | float:
    return float(text) if "." in text else int(text)


def write_html(tree: Tree, path: Path) -> None:
    """A page with navigation, header and footer around its text."""
    body = "\n".join(_html_section(section) for section in tree.sections)
    furniture = "<nav><ul><li><a href='/'>Furniture home</a></li><li><a href='/x'>Furniture next</a></li></ul></nav>"
    path.write_text(
        f"<!DOCTYPE html><html><head><meta charset='utf-8'><title>{escape(tree.sections[0].title)}</title></head>"
        f"<body><header>{furniture}</header><main><article>{body}</article></main>"
        "<footer><p>Furniture imprint</p></footer></body></html>",
        encoding="utf-8",
    )


def _html_section(section: Section) -> str:
    return f"<h{section.level}>{escape(section.title)}</h{section.level}>" + "".join(map(_html_part, section.parts))


def _html_part(part: Part) -> str:
    if isinstance(part, Paragraph):
        return f"<p>{escape(' '.join(part.sentences))}</p>"
    if isinstance(part, Listing):
        return "<ul>" + "".join(f"<li>{escape(item)}</li>" for item in part.items) + "</ul>"
    rows = "".join("<tr>" + "".join(f"<td>{escape(cell)}</td>" for cell in row) + "</tr>" for row in part.rows)
    return f"<table><tr>{''.join(f'<th>{escape(cell)}</th>' for cell in part.header)}</tr>{rows}</table>"
