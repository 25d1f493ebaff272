"""Promotion and rollback: keep the registry's aliases in step with the champion that is committed.

A merged pull request changes the champion, and `make promote` makes the registry say so. `make rollback` puts an
earlier champion back, into the working tree and into the registry, ready for a pull request. Each writes in an order
that lets a second run finish what a killed one began, and refuses where registry and repository disagree.
"""

import argparse
import sys
from collections.abc import Iterator
from datetime import UTC, datetime

from app import bundle
from training import TrainingError, champion, registry
from training.champion import MODEL
from training.commandline import exit_code
from training.registry import CHALLENGER, CHAMPION, Registry, Version


class PromotionError(TrainingError):
    """Registry and repository do not allow it; the message says why and what to do."""


def promote(*, adopt: bool = False) -> str:
    """Make the committed Bundle the registry's champion. Returns what was done.

    With `adopt`, a Bundle that the registry does not know is registered first: it became champion before there was one.
    """
    champion.recover()
    if not champion.is_committed():
        raise PromotionError(
            f"{MODEL} differs from the commit that is checked out. Commit it, or restore it: git checkout -- {MODEL}"
        )
    sha256 = champion.committed_sha256()
    with registry.opened() as models:
        version = models.holding(sha256)
        if version is None and adopt:
            version = models.adopt(MODEL, bundle.read(MODEL).manifest)
        version = _require_promotable(version, sha256)
        before = models.at(CHAMPION)
        if before != version:
            models.tag(version, _tags_of_promotion(models, version, before))
            models.point(CHAMPION, version)
        if models.at(CHALLENGER) == version:
            models.clear(CHALLENGER)
    if before == version:
        return f"{version} is the champion already."
    return f"{version} is the champion now, and replaced {before or 'none'}."


def _require_promotable(version: Version | None, sha256: str) -> Version:
    if version is None:
        raise PromotionError(
            f"the registry holds no version of the model that is committed, {sha256[:8]}. `make retrain` registers what"
            " passes the Gate; for a champion from before the registry: make promote ARGS=--adopt"
        )
    if not version.may_be_champion:
        raise PromotionError(
            f"{version} is committed, but did not pass the Gate: its tag gate is {version.tags.get('gate', 'missing')}."
            f" Restore the champion's {MODEL} from git and commit it."
        )
    return version


def _tags_of_promotion(models: Registry, version: Version, before: Version | None) -> dict[str, str]:
    """What a version says of how it became champion.

    `replaced` makes a line, which rollback follows. It is not changed along the line, so there is never a circle.
    """
    tags = {"promoted_at": _now(), "promoted_commit": champion.commit(), "restored_from": ""}
    if before is None:
        return tags | {"replaced": version.tags.get("replaced", "")}
    if version in _line(models, before):  # a pull request that reverted one
        return tags | {"restored_from": before.number}
    if before in _line(models, version):  # a rollback that was given up
        return tags
    return tags | {"replaced": before.number}


def _line(models: Registry, version: Version | None) -> Iterator[Version]:
    """A version, the one that it replaced, and so on."""
    while version:
        yield version
        version = models.version(version.tags.get("replaced", ""))


def rollback(to: str | None = None) -> str:
    """Put the champion that was replaced, or a version of that number, back in place. Returns what was done."""
    champion.recover()
    committed = champion.committed_sha256()
    here = bundle.read(MODEL).manifest.sha256
    with registry.opened() as models:
        now = models.at(CHAMPION)
        if now is None:
            raise PromotionError("the registry has no champion to roll back from; make promote gives it one")
        left = _require_agreement(models, now, committed)
        if to in {None, now.number} and here == now.sha256 and (to or now.tags.get("restored_from")):
            return _nothing_to_do(now)
        target = _target(models, now, to)
        _require_replaceable(here, committed, now, target)
        if here != target.sha256:
            _restore(models, target)
        models.tag(left, {"rolled_back_at": _now()})
        models.tag(target, {"restored_at": _now(), "restored_from": left.number})
        models.point(CHAMPION, target)
    return (
        f"{target} is the champion again, in the registry and in {MODEL}, after {left}."
        f" Commit {MODEL.parent} and open a pull request."
    )


def _require_agreement(models: Registry, now: Version, committed: str) -> Version:
    """The version that is committed: the registry's champion, or the one from which it was rolled back just now."""
    left = models.version(now.tags.get("restored_from", ""))
    if now.sha256 == committed:
        return now
    if left and left.sha256 == committed:
        return left
    raise PromotionError(
        f"the registry's champion is {now}, but the commit that is checked out holds {committed[:8]} in {MODEL}."
        " If that was merged, bring the registry in step first: make promote. If not, check out what was."
    )


def _nothing_to_do(now: Version) -> str:
    earlier = now.tags.get("replaced")
    further = f"make rollback TO={earlier} goes further back" if earlier else "there is none before it"
    if now.tags.get("restored_from"):
        return f"{now} is the champion already, rolled back from version {now.tags['restored_from']}; {further}."
    return f"{now} is the champion already; {further}."


def _target(models: Registry, now: Version, to: str | None) -> Version:
    if to is None and now.tags.get("restored_from"):
        raise PromotionError(
            f"{now} is the champion by a rollback, but {MODEL} does not hold it. To finish or repeat that rollback:"
            f" make rollback TO={now.number}. To give it up: git checkout -- {MODEL.parent}, then make promote"
        )
    number = to or now.tags.get("replaced", "")
    if not number:
        raise PromotionError(f"{now} is the first champion; there is none before it to go back to")
    target = models.version(number)
    if target is None or "promoted_at" not in target.tags:
        raise PromotionError(f"version {number} was never the champion, so there is no way back to it")
    return target


def _require_replaceable(here: str, committed: str, now: Version, target: Version) -> None:
    """Refuse to overwrite what neither git nor the registry could give back, or an unfinished rollback to elsewhere."""
    if (here == committed and not champion.is_committed()) or here not in {committed, now.sha256, target.sha256}:
        raise PromotionError(
            f"{MODEL} holds {here[:8]}, which is neither committed nor {now} nor {target}. Commit it, or restore it:"
            f" git checkout -- {MODEL.parent}"
        )


def _restore(models: Registry, target: Version) -> None:
    """Bring a version's Bundle and report into the working tree: from git's history, else from its run."""
    with champion.replacing() as folder:
        if not champion.restore_from_history(target.sha256, folder) and not models.fetch(target, folder):
            raise PromotionError(f"the Bundle of {target} is neither in git's history nor in its MLflow run")
        found = bundle.read(folder / MODEL.name).manifest.sha256
        if found != target.sha256:
            raise PromotionError(f"the run of {target} holds another model, {found[:8]}")


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds")


def main(arguments: list[str] | None = None) -> int:
    """Promote or roll back. Returns the exit code: 0, 1 with one line that says why, or 130."""
    options = _parser().parse_args(arguments)
    return exit_code(lambda: _execute(options), interrupted="run it again to finish")


def _execute(options: argparse.Namespace) -> int:
    print(promote(adopt=options.adopt) if options.command == "promote" else rollback(options.to))
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser("python -m training.promotion", description="Keep registry and champion in step.")
    commands = parser.add_subparsers(dest="command", required=True)
    promoting = commands.add_parser("promote", help="make the committed champion the registry's")
    promoting.add_argument("--adopt", action="store_true", help="register a champion from before the registry")
    back = commands.add_parser("rollback", help="put an earlier champion back")
    back.add_argument("--to", metavar="VERSION", help="its version in the registry (default: the one replaced last)")
    return parser


if __name__ == "__main__":
    sys.exit(main())
