"""The original .mat: every trap that the real file has, and what becomes of it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from noda_synth.data.dataset import OCCLUDED, UNKNOWN, VISIBLE
from noda_synth.errors import NodaError
from noda_synth.formats.files.mat_structs import Matrix
from noda_synth.formats.mpii.release import Release, read_release
from tests.mpii_files import EMPTY, JOINTS, all_joints, image, points, rect, write_release


def read(tmp_path: Path, *images: dict[str, Any]) -> Release:
    return read_release(write_release(tmp_path / "mpii.mat", images))


def reasons(release: Release, failed: bool) -> list[str]:
    return [problem.reason for problem in release.problems if problem.failed is failed]


def test_numbers_are_0_based_inside_and_1_based_in_the_record(tmp_path: Path) -> None:
    release = read(tmp_path, image("a.jpg", [rect(all_joints())], video=7))
    (person,) = release.persons
    assert person.person_id == "a.jpg#0"
    assert release.images["a.jpg"].video == 7
    np.testing.assert_array_equal(person.joints, np.array(JOINTS) - 1)
    np.testing.assert_array_equal(person.center, [99.0, 89.0])
    np.testing.assert_array_equal(person.head_box, [49.0, 39.0, 79.0, 79.0])
    assert dict(person.record) == {
        "joints": JOINTS,
        "joints_vis": [1] * 16,
        "scale": 2.5,
        "center": [100.0, 90.0],
        "image": "a.jpg",
    }
    assert not release.problems


def test_visibility_in_all_its_spellings(tmp_path: Path) -> None:
    stated = {0: "0", 1: "1", 2: 0, 3: 1, 4: np.uint8(0), 5: np.array(True), 6: np.array([[1.0]])}
    (person,) = read(tmp_path, image("a.jpg", [rect(all_joints(), stated)])).persons
    expected = [OCCLUDED, VISIBLE, OCCLUDED, VISIBLE, OCCLUDED, VISIBLE, VISIBLE]
    # Within a person of whom anything is stated, what is left empty is visible.
    assert person.visible.tolist() == expected + [VISIBLE] * 9
    assert person.visible.dtype == np.int8


@pytest.mark.parametrize("stated", [None, {}], ids=["absent", "empty"])
def test_visibility_that_nothing_is_stated_of_is_unknown(tmp_path: Path, stated: dict[int, Any] | None) -> None:
    (person,) = read(tmp_path, image("a.jpg", [rect(all_joints(), stated)])).persons
    assert (person.visible == UNKNOWN).all()


def test_a_video_that_is_no_number_is_none(tmp_path: Path) -> None:
    release = read(tmp_path, *(image(f"{video}.jpg", [rect(all_joints())], video=video) for video in (np.nan, np.inf)))
    assert [entry.video for entry in release.images.values()] == [None, None]


def test_fewer_flags_than_are_claimed_say_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    images = [image(name, [rect(all_joints())], train=False) for name in ("a.jpg", "b.jpg")]
    monkeypatch.setattr(Matrix, "numbers", lambda _: np.zeros(1))
    assert list(read(tmp_path, *images).images) == ["a.jpg", "b.jpg"]


def test_a_single_point_and_missing_joints(tmp_path: Path) -> None:
    (person,) = read(tmp_path, image("a.jpg", [rect({9: [5.5, 6.5]}, {9: "1"})])).persons
    assert person.labelled.nonzero()[0].tolist() == [9]
    assert np.isnan(person.joints[0]).all()
    assert person.record["joints"][0] == [-1.0, -1.0]
    assert person.record["joints"][9] == [5.5, 6.5]
    assert person.record["joints_vis"] == [0] * 9 + [1] + [0] * 6
    assert person.visible.tolist() == [UNKNOWN] * 9 + [VISIBLE] + [UNKNOWN] * 6


def test_people_without_joints_and_images_without_people_are_left_out_and_counted(tmp_path: Path) -> None:
    release = read(
        tmp_path,
        image("empty.jpg", []),
        image("a.jpg", [rect(), rect() | {"annopoints": EMPTY}, rect() | {"annopoints": {"point": EMPTY}}]),
        image("b.jpg", [rect(all_joints())]),
        image("test.jpg", [rect(all_joints())], train=False),
    )
    assert [person.person_id for person in release.persons] == ["b.jpg#0"]
    assert reasons(release, failed=True) == []
    assert release.test is not None
    assert [person.person_id for person in release.test.persons] == ["test.jpg#0"]
    assert "3 people without any joint" in reasons(release, failed=False)[0]


def test_scale_and_center_are_estimated_where_the_file_has_none(tmp_path: Path) -> None:
    bare = rect(all_joints(), scale=None, objpos=None)
    hollow = rect(all_joints()) | {"scale": EMPTY, "objpos": EMPTY}
    headless = rect(all_joints(), scale=None, head_box=None)
    release = read(tmp_path, image("a.jpg", [bare, hollow, headless]))
    for person in release.persons[:2]:
        # The head box is 30 x 40 px, so head size is 0.6 * 50 = 30 px; a person is 8 heads tall.
        assert person.record["scale"] == pytest.approx(8 * 30 / 200)
        assert person.record["center"] == [10 + 7 * 15 / 2, 20 + 5 * 15 / 2]
        assert person.record["estimated"] == ["scale", "center"]
    assert release.persons[2].record["estimated"] == ["scale"]
    assert release.persons[2].scale == pytest.approx(1.05 * np.hypot(7 * 15, 5 * 15) / 200, abs=1e-6)
    assert reasons(release, failed=False) == [
        "3 people without scale or center: estimated from head box and joints, see `estimated`"
    ]


@pytest.mark.parametrize(
    ("bad", "reason"),
    [
        (rect({16: [1.0, 2.0]}), "joint id 16"),
        (rect({3: [float("nan"), 2.0]}), "NaN or infinite"),
        (rect({3: [float("inf"), 2.0]}), "NaN or infinite"),
    ],
    ids=["joint id", "nan", "inf"],
)
def test_a_bad_person_costs_only_itself(tmp_path: Path, bad: dict[str, Any], reason: str) -> None:
    release = read(tmp_path, image("a.jpg", [bad, rect(all_joints())]))
    assert [person.person_id for person in release.persons] == ["a.jpg#1"]
    assert reason in reasons(release, failed=True)[0]
    assert release.problems[0].item == "mpii.mat image a.jpg annorect 0"


def test_a_point_without_coordinates_is_a_bad_person(tmp_path: Path) -> None:
    bad = rect() | {"annopoints": points({3: [1, 2]})}
    bad["annopoints"]["point"][0, 0]["x"] = EMPTY
    release = read(tmp_path, image("a.jpg", [bad, rect(all_joints())]))
    assert len(release.persons) == 1
    assert len(reasons(release, failed=True)) == 1


def test_an_image_name_that_leads_out_is_refused(tmp_path: Path) -> None:
    release = read(tmp_path, image("../a.jpg", [rect(all_joints())]), image("b.jpg", [rect(all_joints())]))
    assert list(release.images) == ["b.jpg"]
    assert "leads out of the images folder" in reasons(release, failed=True)[0]


def test_a_truncated_file_is_named(tmp_path: Path) -> None:
    path = write_release(tmp_path / "mpii.mat", [image(f"{n}.jpg", [rect(all_joints())]) for n in range(20)])
    path.write_bytes(path.read_bytes()[:-500])
    with pytest.raises(NodaError, match=r"mpii\.mat: not a whole \.mat file"):
        read_release(path)
