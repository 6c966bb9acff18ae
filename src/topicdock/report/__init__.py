"""What a person wants to know of a fitted model, on one page that needs nothing else."""

from topicdock.report.page import render_report
from topicdock.report.summary import Documents, Summary, summarize

__all__ = ["Documents", "Summary", "render_report", "summarize"]
