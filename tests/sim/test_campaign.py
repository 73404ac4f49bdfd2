"""Faults in services and in the kernel's words, a few of the campaign's millions."""

from campaign.__main__ import Piece, do


def test_every_fault_inside_a_service_is_mended() -> None:
    told = do(Piece("services", "sim", 11, 300))
    assert told["wrong"] == []
    assert told["outcomes"] == {"mended": 300}
    assert len(told["kinds"]) > 10


def test_a_piece_gives_the_same_again() -> None:
    assert do(Piece("services", "sim", 12, 60)) == do(Piece("services", "sim", 12, 60))


def test_no_fault_in_the_kernels_words_is_a_silent_hang() -> None:
    told = do(Piece("kernel", "sim", 13, 40))
    assert told["wrong"] == []
    assert sum(told["outcomes"].values()) == told["faults"] == 40
    assert told["outcomes"]["went on"] < 40
