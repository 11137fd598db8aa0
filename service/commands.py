"""cskt serve | demo | bench: the page and the API, one's own or with synthetic people; measuring."""

import argparse

from model.arguments import count
from service.audit_command import add_audit
from service.case_command import add_case_command
from service.key_command import add_key_command

DEFAULT_PEOPLE = 600


def add_commands(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Add this package's commands to the root parser."""
    serve = commands.add_parser(
        "serve", help="the search page and the REST API over a gallery", description=run_serve.__doc__
    )
    serve.add_argument(
        "--gallery", metavar="G", help="the gallery, a folder made by cskt index (CSKT_GALLERY)"
    )
    serve.add_argument(
        "--encoder", metavar="E", help="demo, a checkpoint folder or openclip:...; default: the gallery's"
    )
    _add_address(serve)
    serve.set_defaults(run=run_serve)

    demo = commands.add_parser(
        "demo", help="a gallery of synthetic people, made and served", description=run_demo.__doc__
    )
    demo.add_argument("--folder", default="demo", help="where images and gallery are kept (default: demo)")
    demo.add_argument(
        "--people", type=count, default=DEFAULT_PEOPLE, metavar="N", help="images (default: 600)"
    )
    demo.add_argument("--video", metavar="FILE", help="index the people in this video as well")
    demo.add_argument("--no-serve", action="store_true", help="stop after the example queries")
    _add_address(demo)
    demo.set_defaults(run=run_demo)
    add_audit(commands)
    add_key_command(commands)
    add_case_command(commands)
    _add_bench(commands)


def run_serve(arguments: argparse.Namespace) -> int:
    """Serve the search page and the REST API over a gallery until Ctrl-C."""
    from service.errors import ServeError
    from service.settings import read_settings

    settings = read_settings(
        {
            "gallery": arguments.gallery,
            "encoder": arguments.encoder,
            "host": arguments.host,
            "port": arguments.port,
        }
    )
    if not settings.gallery:
        raise ServeError("No gallery is named; give --gallery FOLDER or set CSKT_GALLERY.")
    from service.audit.opening import check_log
    from service.server import bind, check_address, serve

    check_address(settings)
    with bind(settings) as holder:
        from service.searcher import open_searcher

        searcher = open_searcher(settings)
        check_log(settings)  # not before: a gallery that is not there gets no state folder
        return serve(searcher, settings, holder)


def run_demo(arguments: argparse.Namespace) -> int:
    """Make a gallery of synthetic people with the demo encoder, show three searches, serve page and API."""
    from pathlib import Path

    from service.demo import DemoPlan, show_demo
    from service.settings import read_settings

    settings = read_settings({"host": arguments.host, "port": arguments.port})
    plan = DemoPlan(
        folder=Path(arguments.folder),
        people=arguments.people,
        video=Path(arguments.video) if arguments.video else None,
        serve=not arguments.no_serve,
    )
    return show_demo(plan, settings)


def _add_bench(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Mount the measurements of every package below one command."""
    from indexer.bench import add_bench_gallery
    from model.bench import add_bench_train
    from model.bench_encode import add_bench_encode
    from service.bench import add_bench_serve

    bench = commands.add_parser("bench", help="measure speed and memory against a baseline")
    bench.set_defaults(when_interrupted="nothing was measured.")
    measures = bench.add_subparsers(title="measurements", metavar="WHAT", required=True)
    add_bench_train(measures)
    add_bench_encode(measures)
    add_bench_gallery(measures)
    add_bench_serve(measures)


def _add_address(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--host", help="address to listen at (default: 127.0.0.1, this machine only; CSKT_HOST)"
    )
    parser.add_argument("--port", type=int, help="port to listen at (default: 8000; CSKT_PORT)")
