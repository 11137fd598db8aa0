"""Small audit logs for tests, a process that writes one until it is killed, and ways to tamper with one."""

import random
import sys
from pathlib import Path

from service.audit.places import Places
from service.audit.record import Record
from service.audit.writer import BookLog


def record(number):
    return Record(
        "search", "k1", "Ann", words=f"a man in coat {number}", case="C-1", shown=[number, number + 1]
    )


def two_books(folder, count=8):
    """Both written to, one after the other taken again: so the ends of each stand in the other."""
    places = Places.of(Path(folder))
    first = BookLog(places)
    second = BookLog(places)
    for number in range(count):
        (first, second)[number % 2].write_now(record(number))
    first.close_now()
    second.close_now()
    first = BookLog(places)
    second = BookLog(places)
    for number in range(count):
        (first, second)[number % 2].write_now(record(100 + number))
    first.close_now()
    second.close_now()
    return places


def contents(places):
    """Books, heads and key, as the verifier takes them."""
    books = {path.stem: path.read_bytes() for path in places.books.glob("*.jsonl")}
    heads = {path.stem: path.read_bytes() for path in places.heads.glob("*.head")}
    return books, heads, bytes.fromhex(places.key_file.read_text())


def flip(lines, dice):
    place = dice.randrange(len(lines))
    line = bytearray(lines[place])
    line[dice.randrange(len(line))] ^= 1 << dice.randrange(8)
    lines[place] = bytes(line)


def reword(lines, dice):
    place = dice.choice([place for place, line in enumerate(lines) if b"coat" in line])
    lines[place] = lines[place].replace(b"coat", b"hats")


def delete(lines, dice):
    lines.pop(dice.randrange(len(lines)))


def duplicate(lines, dice):
    lines.insert(dice.randrange(len(lines) + 1), dice.choice(lines))


def swap(lines, dice):
    one, other = dice.sample(range(len(lines)), 2)
    lines[one], lines[other] = lines[other], lines[one]


def cut(lines, dice):
    whole = b"".join(lines)
    lines[:] = [whole[: dice.randrange(len(whole))]]


def insert_bytes(lines, dice):
    place = dice.randrange(len(lines))
    at = dice.randrange(len(lines[place]))
    lines[place] = lines[place][:at] + dice.randbytes(dice.randint(1, 8)) + lines[place][at:]


EDITS = (flip, reword, delete, duplicate, swap, cut, insert_bytes)


def tampered(books, heads, dice):
    """Other books and heads after one or two random changes of lines, files or between books."""
    while True:
        lines = {name: book.splitlines(keepends=True) for name, book in books.items()}
        other_heads = dict(heads)
        for _ in range(dice.randint(1, 2)):
            one, other = dice.sample(sorted(lines), 2)
            kind = dice.randrange(12)
            if kind == 0:
                lines[one], lines[other] = lines[other], lines[one]
            elif kind == 1:
                lines[other].insert(dice.randrange(len(lines[other]) + 1), dice.choice(lines[one]))
            elif kind == 2:
                other_heads[one] = other_heads[other]
            elif kind == 3:
                head = [other_heads[one]]
                flip(head, dice)
                other_heads[one] = head[0]
            elif all(len(those) > 2 for those in lines.values()):
                edits = [edit for edit in EDITS if edit is not reword or b"coat" in b"".join(lines[one])]
                dice.choice(edits)(lines[one], dice)
        changed = {name: b"".join(those) for name, those in lines.items()}
        if changed != books or other_heads != heads:
            return changed, other_heads


def write_until_killed(folder):
    """Print the number of each record once it is acknowledged."""
    log, number = BookLog(Places.of(Path(folder))), random.randrange(10**9)
    while True:
        log.write_now(record(number))
        print(number, flush=True)
        number += 1


if __name__ == "__main__":
    write_until_killed(sys.argv[1])
