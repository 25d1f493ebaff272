"""What the workflows promise one another: the parts that only fit together on GitHub, checked on their parsed form.

Each function gives the problems that it finds, as sentences; none means that all is well. GitHub's own checks of syntax
and types are actionlint's, and those of safety zizmor's.
"""

import os
import re
from collections.abc import Iterator
from itertools import product
from pathlib import Path

import yaml

from tests.contract import targets
from tests.serving import ROOT

FOLDER = ROOT / ".github" / "workflows"
TEXTS = {path.stem: path.read_text() for path in sorted(FOLDER.glob("*.yml"))}
# A target and what it is told; nothing of GitHub's, which would become part of a script.
MAKE = re.compile(r'make ([a-z][a-z0-9-]*)((?: [A-Z_]+=(?:[\w./-]+|"[\w ./-]+"))*)')
GITHUB_INPUTS = {"required", "type", "default", "description", "options"}


def parsed(text):
    """A workflow. YAML reads `on` as true; here it is `on`."""
    workflow = yaml.safe_load(text)
    return workflow | {"on": workflow[True]}


def steps(workflow) -> Iterator[tuple[str, dict]]:
    for name, job in workflow["jobs"].items():
        for step in job["steps"]:
            yield name, step


def needs_of(job) -> list[str]:
    needs = job.get("needs", [])
    return [needs] if isinstance(needs, str) else needs


def ancestors(jobs, name) -> set[str]:
    """Every job that has ended when this one starts."""
    direct = [need for need in needs_of(jobs[name]) if need in jobs]
    return {*direct, *(further for need in direct for further in ancestors(jobs, need))}


def run_problems(workflow):
    for name, step in steps(workflow):
        if "run" not in step:
            continue
        matched = MAKE.fullmatch(step["run"])
        if not matched:
            yield f"{name} runs {step['run']!r}, which is not `make X`"
        elif matched[1] not in targets.TARGETS:
            yield f"{name} runs `make {matched[1]}`, a target that is not there"


def needs_problems(workflow):
    jobs = workflow["jobs"]
    for name, job in jobs.items():
        for need in needs_of(job):
            if need not in jobs:
                yield f"{name} needs {need}, a job that is not there"
    for name in jobs:
        for need, kind, output in re.findall(r"\bneeds\.([\w-]+)\.(\w+)(?:\.([\w-]+))?", str(jobs[name])):
            if need not in needs_of(jobs[name]):
                yield f"{name} reads of {need}, which it does not need"
            elif kind == "outputs" and output not in jobs[need].get("outputs", {}):
                yield f"{name} reads {output} of {need}, which does not give it"


def outputs_problems(workflow, given):
    """`given` holds what each make target gives as outputs."""
    for name, job in workflow["jobs"].items():
        known: dict[str, set[str]] = {}
        for step in job["steps"]:
            for reader, output in re.findall(r"\bsteps\.([\w-]+)\.outputs\.([\w-]+)", str(step)):
                yield from _unknown_output(name, reader, output, known)
            if "id" in step:
                known[step["id"]] = given.get(step.get("run", step.get("uses", "")).partition("@")[0], set())
        for reader, output in re.findall(r"\bsteps\.([\w-]+)\.outputs\.([\w-]+)", str(job.get("outputs", {}))):
            yield from _unknown_output(name, reader, output, known)


def _unknown_output(job, step, output, known):
    if step not in known:
        yield f"{job} reads of the step {step}, which is not before it"
    elif output not in known[step]:
        yield f"{job} reads {output} of the step {step}, which does not give it"


def artifact_problems(workflow):
    """Every download is of what a job before it uploads, and every upload has a name of its own."""
    jobs = workflow["jobs"]
    uploads = [(name, made) for name in jobs for made in artifacts(jobs[name], "upload-artifact", "name")]
    names = [made for _, made in uploads]
    for made in sorted({made for made in names if names.count(made) > 1}):
        yield f"{made} is uploaded by more than one job"
    for name in jobs:
        before = {made for job, made in uploads if job in ancestors(jobs, name)}
        for wanted in artifacts(jobs[name], "download-artifact", "name"):
            if wanted not in before:
                yield f"{name} downloads {wanted}, which no job before it uploads"
        for pattern in artifacts(jobs[name], "download-artifact", "pattern"):
            if not any(re.fullmatch(pattern.replace("*", ".*"), made) for made in before):
                yield f"{name} downloads {pattern}, and no job before it uploads such"


def artifacts(job, action, key):
    """The names that a job's uploads or downloads have, for each leg of its matrix."""
    yield from (given[key] for given in _given_to(job, action) if key in given)


def _given_to(job, action) -> Iterator[dict[str, str]]:
    """What a job gives an action, for each leg of its matrix."""
    for step in job["steps"]:
        if f"actions/{action}@" in step.get("uses", ""):
            for leg in legs(job):
                yield {key: _in_leg(str(value), leg) for key, value in step["with"].items()}


def _in_leg(text, leg):
    for variable, value in leg.items():
        text = text.replace(f"${{{{ matrix.{variable} }}}}", str(value))
    return text


def file_problems(workflow):
    """Every file of dist/ that a job with downloads names is one that they bring."""
    for name, job in workflow["jobs"].items():
        brought = landed(workflow, name)
        steps = [step for step in job["steps"] if not re.search("actions/(up|down)load-", step.get("uses", ""))]
        for leg in legs(job) if brought else []:
            for path in re.findall(r"\bdist/[\w./-]*\w", _in_leg(str([job.get("env"), steps]), leg)):
                if path not in brought:
                    yield f"{name} names {path}, which no download puts there"


def landed(workflow, name) -> set[str]:
    """Where a job's downloads put what was uploaded: the paths that the uploads name, as they are there."""
    jobs = workflow["jobs"]
    uploads = {
        made["name"]: made["path"].split() for job in jobs.values() for made in _given_to(job, "upload-artifact")
    }
    found = set()
    for wanted in _given_to(jobs[name], "download-artifact"):
        pattern = wanted.get("name", wanted.get("pattern", "")).replace("*", ".*")
        for made in (made for made in uploads if re.fullmatch(pattern, made)):
            own = made if "pattern" in wanted and wanted.get("merge-multiple") != "True" else ""
            # An artifact begins below the folder that all its paths share.
            top = os.path.commonpath([Path(path).parent for path in uploads[made]])
            found |= {str(Path(wanted["path"], own, Path(path).relative_to(top))) for path in uploads[made]}
    return found


def env_problems(workflow):
    """What is given to a target it reads, and what it cannot do without it is given."""
    for name, job in workflow["jobs"].items():
        of_job = set(job.get("env", {}))
        makes = [(step, MAKE.fullmatch(step["run"])) for step in job["steps"] if "run" in step]
        made = [(matched[1], set(step.get("env", {})), matched[2]) for step, matched in makes if matched]
        for target, of_step, told in made:
            given = of_step | set(re.findall(r"(\w+)=", told))
            for variable in sorted(given - targets.reads(target)):
                yield f"{name} gives `make {target}` {variable}, which it does not read"
            for variable in sorted(targets.demands(target) - given - of_job):
                yield f"{name} does not give `make {target}` {variable}"
        for variable in sorted(of_job - {read for target, *_ in made for read in targets.reads(target)}):
            yield f"{name} sets {variable}, which none of its steps reads"


def legs(job):
    matrix = dict(job.get("strategy", {}).get("matrix", {}))
    if "include" in matrix:
        return matrix["include"]
    return [dict(zip(matrix, values, strict=True)) for values in product(*matrix.values())]


def inputs_problems(workflow):
    """What is read of inputs is declared, and what is declared is read."""
    triggers = workflow["on"] if isinstance(workflow["on"], dict) else {}
    declared = (triggers.get("workflow_dispatch") or {}).get("inputs", {})
    used = set(re.findall(r"\binputs\.([\w-]+)", str(workflow["jobs"])))
    yield from (f"the input {name} is read, but not declared" for name in sorted(used - declared.keys()))
    yield from (f"the input {name} is declared, but not read" for name in sorted(declared.keys() - used))
    for name, one in declared.items():
        if set(one) - GITHUB_INPUTS:
            yield f"the input {name} has {sorted(set(one) - GITHUB_INPUTS)}"
        if one.get("type") == "choice" and one["default"] not in one["options"]:
            yield f"the input {name} has a default that is no option"
