"""The commands about encoders, one line per command; the work stands in the named files."""

import argparse


def add_commands(subparsers: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Mount the commands about encoders. Nothing heavy is imported until a command runs."""
    from model.calibrate import add_calibrate
    from model.convert import add_convert
    from model.evaluate import add_evaluate
    from model.export import add_export
    from model.people.write import add_people
    from model.training.reproduce import add_reproduce
    from model.training.train import add_train

    add_train(subparsers)
    add_reproduce(subparsers)
    add_evaluate(subparsers)
    add_convert(subparsers)
    add_export(subparsers)
    add_calibrate(subparsers)
    add_people(subparsers)
