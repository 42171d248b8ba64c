"""When a service of AWS counts as silent, and when it is tried again."""

import itertools
import threading

import pytest

from meshplane.platform.aws.circuit import MOST_LOST, Circuit, Circuits, Silence
from meshplane.platform.aws.place import AwsPlace
from tests.builders.clock_hand import ClockHand


@pytest.fixture
def hand() -> ClockHand:
    return ClockHand()


@pytest.fixture
def circuit(hand: ClockHand) -> Circuit:
    return Circuit(now=hand)


def fails(circuit: Circuit, hand: ClockHand, seconds: float, *, sent: bool = False) -> bool:
    """Makes an attempt that fails after so long; whether it opened the circuit."""
    assert circuit.admit() is None
    began = hand.now
    hand.now += seconds
    return circuit.failed(began, sent=sent)


def opened(circuit: Circuit, hand: ClockHand) -> Circuit:
    while not fails(circuit, hand, 3.1):
        pass
    return circuit


def probed(circuit: Circuit, hand: ClockHand) -> None:
    """Opens it, and lets the first probe through."""
    opened(circuit, hand)
    hand.now += 30
    assert circuit.admit() is None


def test_nothing_can_be_connected_to__opens_within_ten_seconds(
    circuit: Circuit, hand: ClockHand
) -> None:
    assert not fails(circuit, hand, 3.1)
    assert circuit.silence() is None
    assert fails(circuit, hand, 3.1)
    assert hand.now - 1000.0 < 10
    assert circuit.silence() == circuit.admit()
    silence = circuit.silence()
    assert silence is not None
    assert silence.for_seconds == pytest.approx(6.2)
    assert silence.again_seconds == pytest.approx(30)


def test_three_addresses_that_are_tried_one_after_another__open_with_the_first_call(
    circuit: Circuit, hand: ClockHand
) -> None:
    assert fails(circuit, hand, 3 * 3.1)


def test_many_calls_fail_at_the_same_moment__is_not_yet_a_silence(
    circuit: Circuit, hand: ClockHand
) -> None:
    began = hand.now
    hand.now += 3.1
    assert not any(circuit.failed(began, sent=False) for _ in range(100))
    hand.now += 3.1
    assert [circuit.failed(began + 3.1, sent=False) for _ in range(100)] == [True] + [False] * 99


def test_connections_are_refused_for_a_moment__stays_closed(
    circuit: Circuit, hand: ClockHand
) -> None:
    assert not any(fails(circuit, hand, 0.01) for _ in range(500))


def test_a_connection_between_two_that_fail__is_no_silence(
    circuit: Circuit, hand: ClockHand
) -> None:
    assert not fails(circuit, hand, 0.1)
    assert not fails(circuit, hand, 20.0, sent=True)
    assert not fails(circuit, hand, 0.1)


def test_calls_of_many_attempts__none_opens_it_by_itself(hand: ClockHand) -> None:
    place = AwsPlace("eu-central-1", "111122223333", most_attempts=10)
    circuit = Circuits.of_place(place).of("glue")
    assert not any(circuit.failed(0.0, sent=True) for _ in range(10))


def test_answers_in_between__keep_it_closed(circuit: Circuit, hand: ClockHand) -> None:
    for sent in (False, True) * 50:
        assert not fails(circuit, hand, 5.0, sent=sent)
        assert not circuit.answered()


def test_an_attempt_that_began_before_an_answer__counts_from_the_answer(
    circuit: Circuit, hand: ClockHand
) -> None:
    began = hand.now
    hand.now += 9
    circuit.answered()
    hand.now += 0.3
    assert not circuit.failed(began, sent=False)


def test_requests_are_sent_and_nothing_comes_back__opens_with_the_sixth(
    circuit: Circuit, hand: ClockHand
) -> None:
    ended = [fails(circuit, hand, 20.0, sent=True) for _ in range(MOST_LOST)]
    assert ended == [False] * (MOST_LOST - 1) + [True]


def test_many_answers_are_lost_in_a_moment__stays_closed(circuit: Circuit, hand: ClockHand) -> None:
    assert not any(fails(circuit, hand, 0.01, sent=True) for _ in range(100))


def test_failures_long_apart__are_not_one_silence(circuit: Circuit, hand: ClockHand) -> None:
    for _ in range(20):
        assert not fails(circuit, hand, 3.1)
        hand.now += 31


def test_open__one_attempt_every_thirty_seconds(circuit: Circuit, hand: ClockHand) -> None:
    opened(circuit, hand)
    began, probes = hand.now, []
    for _ in range(1300):
        hand.now += 0.1
        if circuit.admit() is None:
            probes.append(hand.now)
            assert not circuit.failed(hand.now, sent=False)
            silence = circuit.silence()
            assert silence is not None
            assert silence.for_seconds > hand.now - began
    assert [round(at - began) for at in probes] == [30, 60, 90, 120]


def test_probe_that_is_never_heard_of_again__the_next_is_due_in_time(
    circuit: Circuit, hand: ClockHand
) -> None:
    probed(circuit, hand)
    hand.now += 29
    assert isinstance(circuit.admit(), Silence)
    hand.now += 1
    assert circuit.admit() is None


def test_probe_was_not_sent__the_next_attempt_is_it(circuit: Circuit, hand: ClockHand) -> None:
    probed(circuit, hand)
    assert circuit.admit() is not None
    circuit.unsent(circuit.probe_at)
    assert circuit.admit() is None
    assert circuit.admit() is not None


def test_attempt_was_not_sent__a_closed_circuit_stays_closed(
    circuit: Circuit, hand: ClockHand
) -> None:
    assert circuit.admit() is None
    circuit.unsent(circuit.probe_at)
    assert circuit.silence() is None
    assert not fails(circuit, hand, 3.1)


def test_attempt_of_before_it_opened_was_not_sent__the_probe_is_not_made_earlier(
    circuit: Circuit, hand: ClockHand
) -> None:
    assert circuit.admit() is None
    admitted = circuit.probe_at
    opened(circuit, hand)
    circuit.unsent(admitted)
    assert circuit.admit() is not None
    hand.now += 30
    assert circuit.admit() is None


def test_probe_was_not_sent_for_so_long_that_there_is_another__that_one_stays_the_only_one(
    circuit: Circuit, hand: ClockHand
) -> None:
    probed(circuit, hand)
    admitted = circuit.probe_at
    hand.now += 31
    assert circuit.admit() is None
    circuit.unsent(admitted)
    assert circuit.admit() is not None


def test_to_look_whether_it_is_open__does_not_take_the_probe(
    circuit: Circuit, hand: ClockHand
) -> None:
    opened(circuit, hand)
    hand.now += 30
    assert [circuit.silence() for _ in range(3)] == [None] * 3
    assert circuit.admit() is None
    assert circuit.admit() is not None


def test_any_answer__closes_it_and_all_begins_anew(circuit: Circuit, hand: ClockHand) -> None:
    opened(circuit, hand)
    assert circuit.answered()
    assert circuit.admit() is None
    assert not fails(circuit, hand, 3.1)
    assert not circuit.answered()


def test_probe_is_due_and_many_threads_come__one_of_them_is_let_through(hand: ClockHand) -> None:
    circuit = opened(Circuit(now=hand), hand)
    hand.now += 30
    counted = itertools.count()
    barrier = threading.Barrier(16)

    def come() -> None:
        barrier.wait()
        if circuit.admit() is None:
            next(counted)

    threads = [threading.Thread(target=come) for _ in range(16)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert next(counted) == 1


def test_services__have_circuits_of_their_own(hand: ClockHand) -> None:
    circuits = Circuits(now=hand)
    opened(circuits.of("glue"), hand)
    assert circuits.of("glue").silence() is not None
    assert circuits.of("s3").silence() is None
