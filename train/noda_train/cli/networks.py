"""`noda-train eval` of networks: of a run, or of somebody's weights."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

from noda_synth.data.skeleton import Skeleton
from noda_synth.errors import NodaError
from noda_synth.formats.files.atomic import read_json
from noda_train import checkpoint, distributed, mpii_server, occlusion_benchmark, pictures
from noda_train import evaluate as evaluation
from noda_train import settings as config
from noda_train.cli.shared import DEFAULT_DATA, report, speaker
from noda_train.data import Parts, load
from noda_train.distributed import World
from noda_train.metrics import pck, scoring
from noda_train.metrics.tables import format_comparison, format_off_centre
from noda_train.outputs import SCORES, check_writable, write_json, write_predictions
from noda_train.predict import predict
from noda_train.runs import Trained, from_weights, in_order_of_channels, load_run, newest_run

Echo = Callable[[str], None]
DECIDING = ("decode", "flip_test", "channels", "validate_on")
"""The settings of an evaluation that decide on its predictions."""


@dataclass(frozen=True)
class Choice:
    """Which network is evaluated, as the command line says.

    Attributes:
        run: folder or slim file; None is the newest run.
        runs: where runs lie.
        which: "last" or "best", the checkpoint of a run.
        weights: a weight file that is evaluated instead of a run.
        preset: the network that these weights belong to.
        overrides: KEY=VALUE of settings.
        results: where predictions and scores go; None is the run's folder.
    """

    run: Path | None
    runs: Path
    which: str
    weights: Path | None
    preset: str | None
    overrides: tuple[str, ...]
    results: Path | None = None

    @property
    def device(self) -> str:
        """The device by name, before there are settings of a checkpoint: "auto" unless one is named."""
        return config.load(self.preset or "demo", self.overrides).device


@dataclass(frozen=True)
class Crops:
    """Which crops a network is handed: how far they are off (one error, or those of a table), and a detector's boxes
    instead of the annotated ones."""

    errors: tuple[float, ...] = (0.0,)
    boxes: Path | None = None

    def of(self, persons: evaluation.EvaluationSet, echo: Echo) -> evaluation.EvaluationSet:
        """The persons in a detector's boxes, where there is one."""
        if self.boxes is None:
            return persons
        persons = evaluation.in_detected_boxes(persons, self.boxes)
        found = int(persons.found.sum()) if persons.found is not None else 0
        echo(f"boxes of {self.boxes}: {found} of {len(persons.samples)} persons found, the others have no pose")
        return persons

    def folder(self, folder: Path, error: float) -> Path:
        """Where results go: beside those of the annotated crops, not over them."""
        names = [f"boxes-{self.boxes.stem}"] if self.boxes else []
        names += [f"off-centre-{error:g}"] if error else []
        return folder / "-".join(names) if names else folder


@dataclass(frozen=True)
class _Chosen:
    """The network that is evaluated.

    Attributes:
        network: it, with the settings of this evaluation.
        folder: the run's folder, or of a file that lies in no run the folder of its results.
        in_a_run: whether it is a run's folder.
        changes: what sets this evaluation apart from the one that the training itself leaves: another checkpoint,
            other settings that decide on predictions.
    """

    network: Trained
    folder: Path
    in_a_run: bool = False
    changes: tuple[str, ...] = ()


def evaluate_on_benchmark(choice: Choice, data: Path, out: Path | None) -> None:
    """Print and write the scores of a network on a benchmark's clean images and its twins."""
    twins = occlusion_benchmark.read(data)
    with distributed.init_distributed(choice.device) as world:
        echo = speaker(world)
        skeleton = twins.clean.samples.skeleton
        if choice.weights is None:
            chosen = _of_run(choice, world)
            checkpoint.check_joints(chosen.network.skeleton, chosen.network.source, skeleton, data)
        else:
            chosen = _of_weights(choice, choice.weights, skeleton, world, echo)
        network = chosen.network
        folder = (choice.results or chosen.folder) / "-".join([f"benchmark-{data.resolve().name}", *chosen.changes])
        lists = {name: part.samples for name, part in twins.lists.items()}
        predictions = evaluation.predict_lists(network.network, lists, network.settings, world, folder, data)
        if world.is_first:
            result = occlusion_benchmark.evaluate(predictions, twins)
            echo(f"{network.source}, {network.settings.model}, on {data}\n")
            echo(occlusion_benchmark.format_table(result))
            for path in (folder / SCORES, *([out] if out else [])):
                write_json(path, result)


def evaluate_off_centre(choice: Choice, data: Path | None, out: Path | None, crops: Crops) -> None:
    """Print and write a table: the followed number of a network against how far its crops are off."""
    with distributed.init_distributed(choice.device) as world:
        echo = speaker(world)
        chosen, parts = _network_and_data(choice, data, world, echo)
        network, settings, origin = chosen.network, chosen.network.settings, _origin(chosen, parts)
        beside = choice.results or _folder_of_results(chosen, parts.data)
        persons = crops.of(_persons(network, parts, echo), echo)
        results = {}
        for error in crops.errors:
            folder, moved = crops.folder(beside, error), evaluation.in_boxes_off(persons, error)
            _, result = evaluation.evaluate_network(network.network, moved, settings, world, folder, origin)
            results[f"{error:g}"] = result
        echo(f"{network.source}, {settings.model}, on {parts.layout.valid}\n")
        echo(format_off_centre(results, persons.truth.followed))
        if out is not None and world.is_first:
            write_json(out, {"off_centre": results})


def evaluate(
    choice: Choice, data: Path | None, against: Path | None, out: Path | None, mean_pose: bool, crops: Crops
) -> None:
    """Print and write the numbers of a network on the validation part of a data set."""
    with distributed.init_distributed(choice.device) as world:
        echo = speaker(world)
        chosen, parts = _network_and_data(choice, data, world, echo)
        network, settings = chosen.network, chosen.network.settings
        error = crops.errors[0]
        folder = choice.results or crops.folder(_folder_of_results(chosen, parts.data), error)
        persons = evaluation.in_boxes_off(crops.of(_persons(network, parts, echo), echo), error)
        origin = _origin(chosen, parts)
        if error:
            echo(f"crops off by up to {error:g} of their side")
        prediction, result = evaluation.evaluate_network(network.network, persons, settings, world, folder, origin)
        echo(f"{network.source}, {settings.model}, on {parts.layout.valid}")
        report(persons, prediction.joints, result, settings, folder, echo, world)
        if folder != chosen.folder:
            echo(f"left in {folder}; what lies in {chosen.folder} stays as it was")
        if mean_pose and not len(parts.train):
            echo(f"the training set's mean pose: n/a, {parts.data} has no training part")
        elif mean_pose:
            base = pck.evaluate(evaluation.mean_pose(parts.train, persons.samples), persons.truth)
            result["mean_pose"] = base["thresholds"]
            ours, least = (r["thresholds"][f"{persons.truth.followed:g}"]["all"]["mean"] for r in (result, base))
            echo(f"the training set's mean pose: {least:.1f}; this network: {ours:.1f} ({ours - least:+z.1f} points)")
        if against is not None:
            evaluator = persons.evaluator
            own, other = scoring.predictions_of(prediction, evaluator), scoring.read(against, evaluator)
            result["against"] = scoring.compare(own, other, evaluator)
            echo("\n" + format_comparison(result["against"]))
            both = {against.name: other.joints, folder.name: own.joints}
            rows = pictures.most_different(persons.truth, other.joints, own.joints, settings.pictures)
            if world.is_first and len(rows):
                pictures.write_sheet(folder / "comparison.png", persons.samples, persons.truth, both, rows)
                echo(f"\npictures of both: {folder / 'comparison.png'}")
        if out is not None and world.is_first:
            write_json(out, result)


def _origin(chosen: _Chosen, parts: Parts) -> dict[str, str]:
    """Where predictions come from, for their file."""
    network = chosen.network
    origin = {"checkpoint": network.source.name, "epoch": str(network.epoch), "run": chosen.folder.name}
    return {**origin, "data": str(parts.data)}


def predict_list(choice: Choice, people: Path, images: Path | None, out: Path, world: World) -> tuple[int, int]:
    """Write the joints that a run's network finds of a list's people; how many these are, and their images."""
    check_writable(out)
    if out.suffix not in (".mat", ".h5"):
        raise NodaError(f"{out}: the name has to end in .mat (the form of MPII's server) or .h5")
    chosen = _of_run(choice, world)
    samples = mpii_server.read_people(people, images)
    checkpoint.check_joints(chosen.network.skeleton, chosen.network.source, samples.skeleton, people)
    prediction = predict(chosen.network.network, samples, chosen.network.settings, world)
    names = [name.image for name in samples.names]
    if world.is_first and out.suffix == ".mat":
        mpii_server.write_server_file(out, [str(name) for name in names], prediction.joints)
    elif world.is_first:
        write_predictions(out, prediction, samples.ids, {"data": str(people), "run": chosen.folder.name})
    return len(samples), len(set(names))


def _network_and_data(choice: Choice, data: Path | None, world: World, echo: Echo) -> tuple[_Chosen, Parts]:
    """The network and the data set; weights are for the joints of the set."""
    if choice.weights is not None:
        parts = load(data or DEFAULT_DATA, for_training=False)
        return _of_weights(choice, choice.weights, parts.train.skeleton, world, echo), parts
    chosen = _of_run(choice, world)
    return chosen, load(data or chosen.network.data or DEFAULT_DATA, for_training=False)


def _persons(network: Trained, parts: Parts, echo: Echo) -> evaluation.EvaluationSet:
    """Who is evaluated; where the network finds other joints than the set marks, by the names that both have."""
    persons = evaluation.evaluation_set(parts, network.settings)
    marked = persons.samples.skeleton
    if network.skeleton.joints == marked.joints:
        return persons
    persons = evaluation.by_name(persons, network.skeleton)
    common = [name for name in marked.joints if name in network.skeleton.index]
    echo(
        f"the network finds the {len(network.skeleton)} joints of {network.skeleton.name}, the data set marks the"
        f" {len(marked)} of {marked.name}: the {len(common)} of the same name are judged ({', '.join(common)})"
    )
    return persons


def _of_run(choice: Choice, world: World) -> _Chosen:
    """The network of a run or a slim file."""
    path = choice.run or newest_run(choice.runs)
    network = load_run(path, choice.which, world.device)
    settings = config.for_evaluation(network.settings, choice.overrides)
    deciding = (key for key in DECIDING if getattr(settings, key) != getattr(network.settings, key))
    changes = tuple(f"{key}-{getattr(settings, key)}".lower() for key in deciding)
    network, folder = replace(network, settings=settings), path if path.is_dir() else path.parent
    # A checkpoint that is named as a file lies in its run; a slim file may lie anywhere: nothing is left beside it.
    if folder != path and not (folder / "settings.json").is_file():
        return _Chosen(network, _result_folder(choice.runs, path), False, changes)
    which = () if network.source.name == "last.pt" else (network.source.stem,)
    return _Chosen(network, folder, True, (*which, *changes))


def _of_weights(choice: Choice, weights: Path, skeleton: Skeleton, world: World, echo: Echo) -> _Chosen:
    """A network with somebody's weights."""
    if choice.preset is None:
        raise NodaError("--weights needs --preset, the network that the file belongs to (simple_r50, hrnet_w32, ...)")
    settings, note = in_order_of_channels(config.load(choice.preset, choice.overrides), weights, choice.overrides)
    if note:
        echo(note)
    network, loaded = from_weights(weights, settings, skeleton, world.device)
    echo(str(loaded))
    return _Chosen(network, _result_folder(choice.runs, weights))


def _result_folder(runs: Path, weights: Path) -> Path:
    """Where the results of a weight file go, which has no run folder."""
    folder = runs / f"eval-{weights.stem}"
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def _folder_of_results(chosen: _Chosen, data: Path) -> Path:
    """Where the results of an evaluation on a data set go: into the run only those that its training would leave.

    All others have a folder of their own beneath it, one for each data set.
    """
    own = chosen.network.data
    elsewhere = chosen.in_a_run and own is not None and own.resolve() != data.resolve()
    names = [*([data.resolve().stem] if elsewhere else []), *chosen.changes]
    if chosen.in_a_run and not names:
        return chosen.folder
    wanted = chosen.folder / "-".join(["eval", *names]) if names else chosen.folder
    folder, number = wanted, 1
    while (scored := _data_of_scores(folder)) is not None and scored.resolve() != data.resolve():
        number += 1
        folder = wanted.with_name(f"{wanted.name}-{number}")
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def _data_of_scores(folder: Path) -> Path | None:
    """The data set that the scores in a folder are of; None where there are none."""
    if not (folder / SCORES).is_file():
        return None
    content = read_json(folder / SCORES)
    data = content.get("data") if isinstance(content, dict) else None
    return Path(data) if isinstance(data, str) else None
