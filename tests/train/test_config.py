"""Presets state the paper's protocol; overrides are checked."""

from __future__ import annotations

from pathlib import Path

import pytest

from noda_synth.errors import NodaError
from noda_train import settings as config


@pytest.mark.parametrize("preset", config.presets())
def test_every_preset_loads_and_survives_a_checkpoint(preset: str) -> None:
    settings = config.load(preset)
    assert config.from_dict(settings.as_dict(), "checkpoint") == settings


def test_presets_state_the_papers_protocol() -> None:
    for name, epochs, steps, jitter, rotation in (
        ("simple", 140, (90, 120), 0.30, 40),
        ("simple_r152", 140, (90, 120), 0.30, 40),
        ("hrnet", 210, (170, 200), 0.35, 45),
    ):
        s = config.load(name)
        assert (s.epochs, s.steps, s.scale_jitter, s.rotation) == (epochs, steps, jitter, rotation)
        assert (s.size, s.sigma, s.batch, s.optimizer, s.lr, s.decay) == (256, 2.0, 64, "adam", 1e-3, 0.1)
        assert s.flip_test and s.decode == "quarter" and s.weight_decay == 0


def test_the_official_augmentation_goes_by_name() -> None:
    s = config.load("hrnet", ["augment=mpii"])
    assert (s.scale_jitter, s.rotation, s.rotation_probability, s.flip_probability) == (0.25, 30, 0.6, 0.5)
    assert config.load("hrnet", ["augment=mpii", "rotation=10"]).rotation == 10


@pytest.mark.parametrize(
    ("override", "says"),
    [
        ("bacth=3", "did you mean batch"),
        ("batch=many", "batch=many: expected a whole number"),
        ("batch=2.5", "expected a whole number"),
        ("flip_test=perhaps", "expected true or false"),
        ("steps=a,b", "expected a whole number, or several with commas between"),
        ("model=hrnet_w31", "did you mean hrnet_w32"),
        ("augment=papr", "did you mean paper"),
        ("size=250", "multiple of 32"),
        ("batch", "write KEY=VALUE"),
    ],
)
def test_a_wrong_override_says_what_is_right(override: str, says: str) -> None:
    with pytest.raises(NodaError, match=says):
        config.load("simple", [override])


def test_an_unknown_preset_names_the_near_ones() -> None:
    with pytest.raises(NodaError, match="did you mean simple_r50"):
        config.load("simple_r5")


def test_a_toml_file_of_ones_own(tmp_path: Path) -> None:
    own = tmp_path / "own.toml"
    own.write_text((config.PRESETS / "simple_r18.toml").read_text().replace("epochs = 140", "epochs = 7"))
    assert config.load(str(own)).epochs == 7
    own.write_text("epochs = 7\n[augmentations.paper]\n")
    with pytest.raises(NodaError, match=r"own\.toml"):
        config.load(str(own), ["augment=paper"])


def test_a_resumed_run_keeps_its_protocol() -> None:
    settings = config.load("simple")
    assert config.override(settings, ["workers=3"]).workers == 3
    with pytest.raises(NodaError, match="size cannot change"):
        config.override(settings, ["size=128"])
    with pytest.raises(NodaError, match="epochs was decided in training"):
        config.for_evaluation(settings, ["epochs=3"])
