"""The page's files, as the server gives them."""

import pytest
from fastapi import FastAPI

from bike_demand.serving import page_files, problems
from bike_demand_tests.serving.city import NOW, Clock, running
from bike_demand_tests.serving.test_refusals import is_a_problem


@pytest.fixture
def page(tmp_path):
    folder = tmp_path / "page"
    folder.mkdir()
    (folder / "index.html").write_text("<!doctype html><title>é</title>")
    (folder / "city.js").write_text("'use strict';\n" * 200)
    (folder / "notes.py").write_text("no file of a page")
    app = FastAPI()
    problems.install(app)
    app.include_router(page_files.router(folder))
    with running(None, Clock(NOW), app=app) as found:
        yield found


def test_the_page_is_at_the_root_and_its_files_below(page):
    index = page.get("/")
    assert index.headers["Content-Type"] == "text/html; charset=utf-8"
    assert index.content == page.get("/page/index.html").content
    script = page.get("/page/city.js")
    assert script.headers["Content-Type"] == "text/javascript; charset=utf-8"
    assert script.headers["Content-Encoding"] == "gzip"
    assert script.headers["Cache-Control"] == "no-cache"
    again = page.get("/page/city.js", headers={"If-None-Match": script.headers["ETag"]})
    assert again.status_code == 304


@pytest.mark.parametrize(
    "path", ["/page/notes.py", "/page/nope.js", "/page/..%2fsecret.txt", "/page/", "/page/a/b.js"]
)
def test_nothing_else_is_given(page, tmp_path, path):
    (tmp_path / "secret.txt").write_text("hidden")
    answer = page.get(path)
    assert answer.status_code == 404
    is_a_problem(answer)


def test_where_there_is_no_page_its_address_says_so(tmp_path):
    app = FastAPI()
    problems.install(app)
    app.include_router(page_files.router(tmp_path))
    with running(None, Clock(NOW), app=app) as found:
        is_a_problem(found.get("/"))
