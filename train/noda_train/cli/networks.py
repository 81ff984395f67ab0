"""`noda-train eval` of networks: of a run, or of somebody's weights."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

from noda_synth.data.skeleton import Skeleton
from noda_synth.errors import NodaError
from noda_train import checkpoint, distributed, occlusion_benchmark, pictures
from noda_train import evaluate as evaluation
from noda_train import settings as config
from noda_train.cli.shared import DEFAULT_DATA, report, speaker
from noda_train.data import Parts, load
from noda_train.distributed import World
from noda_train.metrics import pck, scoring
from noda_train.metrics.tables import format_comparison, format_off_centre
from noda_train.models.weights import expected_channels
from noda_train.outputs import SCORES, write_json
from noda_train.runs import Trained, from_weights, load_run, newest_run

Echo = Callable[[str], None]


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


def evaluate_on_benchmark(choice: Choice, data: Path, out: Path | None) -> None:
    """Print and write the scores of a network on a benchmark's clean images and its twins."""
    twins = occlusion_benchmark.read(data)
    with distributed.init_distributed(choice.device) as world:
        echo = speaker(world)
        skeleton = twins.clean.samples.skeleton
        if choice.weights is None:
            network, folder = _of_run(choice, world)
            checkpoint.check_joints(network.skeleton, network.source, skeleton, data)
        else:
            network, folder = _of_weights(choice, choice.weights, skeleton, world, echo)
        folder = folder / f"benchmark-{data.resolve().name}"
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
        network, folder, parts = _network_and_data(choice, data, world, echo)
        settings = network.settings
        persons = crops.of(_persons(network, parts, echo), echo)
        results = {}
        for error in crops.errors:
            place = crops.folder(folder, error)
            origin = _origin(network, folder, parts)
            moved = evaluation.in_boxes_off(persons, error)
            results[f"{error:g}"] = evaluation.evaluate_network(network.network, moved, settings, world, place, origin)[
                1
            ]
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
        network, folder, parts = _network_and_data(choice, data, world, echo)
        settings = network.settings
        persons = evaluation.in_boxes_off(crops.of(_persons(network, parts, echo), echo), crops.errors[0])
        origin = _origin(network, folder, parts)
        folder = choice.results or crops.folder(folder, crops.errors[0])
        if crops.errors[0]:
            echo(f"crops off by up to {crops.errors[0]:g} of their side")
        prediction, result = evaluation.evaluate_network(network.network, persons, settings, world, folder, origin)
        echo(f"{network.source}, {settings.model}, on {parts.layout.valid}")
        report(persons, prediction.joints, result, settings, folder, echo, world)
        if mean_pose:
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


def _origin(network: Trained, folder: Path, parts: Parts) -> dict[str, str]:
    """Where predictions come from, for their file."""
    origin = {"checkpoint": network.source.name, "epoch": str(network.epoch), "run": folder.name}
    return {**origin, "data": str(parts.data)}


def _network_and_data(choice: Choice, data: Path | None, world: World, echo: Echo) -> tuple[Trained, Path, Parts]:
    """The network, the folder that its results go to, and the data set; weights are for the joints of the set."""
    if choice.weights is not None:
        parts = load(data or DEFAULT_DATA)
        return *_of_weights(choice, choice.weights, parts.train.skeleton, world, echo), parts
    network, folder = _of_run(choice, world)
    return network, folder, load(data or network.data or DEFAULT_DATA)


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


def _of_run(choice: Choice, world: World) -> tuple[Trained, Path]:
    """The network of a run or a slim file, and the folder that its results go to."""
    path = choice.run or newest_run(choice.runs)
    network = load_run(path, choice.which, world.device)
    settings = config.for_evaluation(network.settings, choice.overrides)
    if choice.results is not None:
        return replace(network, settings=settings), choice.results
    folder = path if path.is_dir() else path.parent
    # A checkpoint that is named as a file lies in its run; a slim file may lie anywhere: nothing is left beside it.
    in_a_run = folder == path or (folder / "settings.json").is_file()
    return replace(network, settings=settings), folder if in_a_run else _result_folder(choice.runs, path)


def _of_weights(choice: Choice, weights: Path, skeleton: Skeleton, world: World, echo: Echo) -> tuple[Trained, Path]:
    """A network with somebody's weights, and the folder that its results go to."""
    if choice.preset is None:
        raise NodaError("--weights needs --preset, the network that the file belongs to (simple_r50, hrnet_w32, ...)")
    overrides, channels = choice.overrides, expected_channels(weights.name)
    if channels and not any(override.startswith("channels=") for override in overrides):
        echo(f"{weights.name}: an official pose_resnet file, trained on BGR: channels={channels}")
        overrides = (*overrides, f"channels={channels}")
    network, loaded = from_weights(weights, config.load(choice.preset, overrides), skeleton, world.device)
    echo(str(loaded))
    return network, choice.results or _result_folder(choice.runs, weights)


def _result_folder(runs: Path, weights: Path) -> Path:
    """Where the results of a weight file go, which has no run folder."""
    folder = runs / f"eval-{weights.stem}"
    folder.mkdir(parents=True, exist_ok=True)
    return folder
