"""Jobs: started once, carried out step by step, found again when lost, and ended with a reason when they fail."""

from collections.abc import Mapping
from datetime import timedelta

import pytest
from tests.support.builders import DAY, NOW
from tests.support.faults import Crash
from tests.support.job_world import STAFF, JobWorld, MemoryFiles, away

from client_credits.domain.errors import KeyReused, LimitReached, NotFound
from client_credits.domain.ledger.entries import Actor
from client_credits.domain.practice.jobs import (
    MAX_PROBLEMS,
    Job,
    JobKind,
    JobMessage,
    JobProblem,
    JobState,
    Progress,
)
from client_credits.operations.context import Context
from client_credits.operations.jobs import starting
from client_credits.operations.jobs.kinds import steps
from client_credits.operations.jobs.running import (
    LONGEST_JOB,
    LONGEST_WAIT,
    SHORTEST_WAIT,
    STEP_LEASE,
    STUCK_AFTER,
    UNHEARD,
    Ran,
)
from client_credits.operations.staff.idempotent import Keyed

SOON = timedelta(seconds=1)


class Counting:
    """A kind that counts to three, three steps; `raises` at steps by their number."""

    def __init__(self, raises: Mapping[int, BaseException] | None = None) -> None:
        self.steps: list[int] = []
        self.actors: list[Actor] = []
        self.raises = dict(raises or {})

    def __call__(self, context: Context, job: Job) -> Progress:
        number = job.position.get("reached", 0) + 1
        self.steps.append(number)
        self.actors.append(context.actor)
        if error := self.raises.get(number):
            raise error
        problem = JobProblem("limit_reached", "No more than 500 lots.", f"c{number}")
        return Progress({"reached": number}, 1, total=3, problems=(problem,), finished=number == 3)


@pytest.fixture
def counting() -> Counting:
    return Counting()


@pytest.fixture
def world(counting: Counting) -> JobWorld:
    return JobWorld({JobKind.EXPORT: counting})


def failing(error: BaseException, at: int = 2) -> tuple[JobWorld, Counting]:
    counting = Counting({at: error})
    return JobWorld({JobKind.EXPORT: counting}), counting


def test_every_kind_of_job_has_a_step() -> None:
    assert set(steps(MemoryFiles())) == set(JobKind)


def test_a_job_goes_on_step_by_step_until_it_is_done(world: JobWorld, counting: Counting) -> None:
    job_id = world.start(report="credits").job_id
    outcomes = world.deliver_all()
    assert [outcome.ran for outcome in outcomes] == [Ran.WENT_ON, Ran.WENT_ON, Ran.DONE]
    job = world.job(job_id)
    assert (job.state, job.done, job.total, job.position) == (JobState.DONE, 3, 3, {})
    assert [problem.client_id for problem in job.problems] == ["c1", "c2", "c3"]
    assert job.finished_at == NOW
    assert counting.steps == [1, 2, 3]


def test_a_step_acts_for_whoever_started_the_job(world: JobWorld, counting: Counting) -> None:
    world.start(actor=Actor("service", "till"))
    world.deliver()
    assert counting.actors == [Actor("service", "till")]


def test_a_finished_job_is_due_no_more_and_goes_after_a_week(world: JobWorld) -> None:
    world.start()
    world.deliver_all()
    (item,) = (item for (_, sk), item in world.table.items.items() if sk == "job")
    assert "due_at" not in item
    assert int(item["ttl"]["N"]) == int((NOW + 7 * DAY).timestamp())


# -- starting --------------------------------------------------------------------------------------


def test_the_same_key_gets_the_same_job_and_starts_it_once(world: JobWorld) -> None:
    first = world.start(report="credits")
    second = world.start(report="credits")
    assert (second.job_id, first.repeated, second.repeated) == (first.job_id, False, True)
    assert len(world.queue) == 1


def test_another_key_is_another_job(world: JobWorld) -> None:
    assert world.start("key-1").job_id != world.start("key-2").job_id


def test_a_key_that_stands_for_other_content_is_refused(world: JobWorld) -> None:
    world.start("key-1", report="credits")
    with pytest.raises(KeyReused):
        world.start("key-1", report="negative")
    assert len(world.queue) == 1


def test_a_rehearsed_start_writes_and_sends_nothing(world: JobWorld) -> None:
    rehearsing = Context(world.store.rehearsal(), "p1", STAFF, NOW)
    before = dict(world.table.items)
    started = starting.start(rehearsing, JobKind.EXPORT, {}, Keyed("key-1", "export {}"), world.send)
    assert (world.table.items, world.queue) == (before, [])
    assert started == world.start("key-1")


# -- who sees it -----------------------------------------------------------------------------------


def test_a_job_is_shown_to_who_started_it_and_to_who_sees_all(world: JobWorld) -> None:
    job_id = world.start().job_id
    assert starting.shown(world.context(), job_id, sees_all=False).job_id == job_id
    assert starting.shown(world.context(Actor("admin", "a1")), job_id, sees_all=True).job_id == job_id


@pytest.mark.parametrize("actor", [Actor("staff", "s2"), Actor("service", "s1")])
def test_a_stranger_s_job_is_not_there(world: JobWorld, actor: Actor) -> None:
    job_id = world.start().job_id
    with pytest.raises(NotFound, match="no such job"):
        starting.shown(world.context(actor), job_id, sees_all=False)


# -- messages that are doubled, late or lost ---------------------------------------------------------


def test_a_doubled_message_does_its_step_once(world: JobWorld, counting: Counting) -> None:
    world.start()
    world.queue += world.queue
    assert [outcome.ran for outcome in world.deliver_all()].count(Ran.PASSED_OVER) == 1
    assert counting.steps == [1, 2, 3]


def test_an_old_message_that_comes_again_changes_nothing(world: JobWorld, counting: Counting) -> None:
    world.start()
    old = list(world.queue)
    world.deliver_all()
    before = dict(world.table.items)
    world.queue += old
    assert [outcome.ran for outcome in world.deliver_all()] == [Ran.PASSED_OVER]
    assert (world.table.items, counting.steps) == (before, [1, 2, 3])


def test_a_message_for_a_job_that_is_not_there_is_passed_over(world: JobWorld) -> None:
    world.send(JobMessage("p1", "job_never", 1))
    assert world.deliver().ran is Ran.PASSED_OVER


@pytest.mark.parametrize("delivered", [0, 1, 2])
def test_a_lost_message_is_found_again_by_the_sweep(world: JobWorld, counting: Counting, delivered: int) -> None:
    world.start()
    for _ in range(delivered):
        world.deliver()
    world.queue.clear()
    world.pass_by(UNHEARD - SOON)
    assert world.queue == [], "it is given time"
    world.pass_by(SOON)
    assert len(world.queue) == 1
    world.deliver_all()
    assert counting.steps == [1, 2, 3]
    assert world.only_job().state is JobState.DONE


def test_a_message_that_the_sweep_sent_and_that_is_lost_is_sent_again_a_lease_later(world: JobWorld) -> None:
    world.start()
    world.queue.clear()
    world.lost = True
    world.pass_by(UNHEARD)
    world.lost = False
    world.pass_by(STEP_LEASE - SOON)
    assert world.queue == []
    world.pass_by(SOON)
    assert len(world.queue) == 1


def test_a_worker_that_dies_in_a_step_is_followed_by_another_when_its_lease_ends() -> None:
    world, counting = failing(Crash())
    world.start()
    world.deliver()
    died = list(world.queue)
    with pytest.raises(Crash):
        world.deliver()
    counting.raises.clear()
    world.queue[:] = died
    assert world.deliver().ran is Ran.PASSED_OVER, "the claim stands while the worker may be at work"
    world.pass_by(STEP_LEASE - SOON)
    assert world.queue == []
    world.pass_by(SOON)
    world.deliver_all()
    assert counting.steps == [1, 2, 2, 3]
    assert (world.only_job().state, world.only_job().done) == (JobState.DONE, 3)


# -- steps that fail ---------------------------------------------------------------------------------


def test_a_step_that_is_refused_ends_its_job_with_the_reason_and_no_other() -> None:
    world, counting = failing(LimitReached("The file would be too large."))
    first, second = world.start("key-1").job_id, world.start("key-2").job_id
    world.deliver_all()
    counting.raises.clear()
    third = world.start("key-3").job_id
    world.deliver_all()
    failed = world.job(first)
    assert (failed.state, failed.done, failed.finished_at) == (JobState.FAILED, 1, NOW)
    assert failed.problems[-1] == JobProblem("limit_reached", "The file would be too large.")
    assert world.job(second).state is JobState.FAILED
    assert world.job(third).state is JobState.DONE


def test_an_error_of_ours_ends_the_job_and_tells_nothing_of_itself() -> None:
    world, _ = failing(RuntimeError("anna@example.org"))
    world.start()
    outcomes = world.deliver_all()
    assert (outcomes[-1].ran, str(outcomes[-1].error)) == (Ran.FAILED, "anna@example.org")
    (*_, problem) = world.only_job().problems
    assert problem.code == "internal_error"
    assert "anna" not in problem.detail


def test_what_is_away_is_waited_for_with_growing_pauses() -> None:
    world, counting = failing(away())
    world.start()
    pauses = []
    for _ in range(30):
        outcomes = world.deliver_all()
        assert outcomes[-1].ran is Ran.WAITS
        asleep = timedelta(0)
        while not world.queue:
            asleep += SHORTEST_WAIT
            world.pass_by(SHORTEST_WAIT)
        pauses.append(asleep)
    assert (pauses[0], pauses[-1]) == (SHORTEST_WAIT, LONGEST_WAIT)
    assert pauses == sorted(pauses)
    counting.raises.clear()
    world.deliver_all()
    assert (world.only_job().state, world.only_job().done) == (JobState.DONE, 3)


def test_a_job_that_stands_still_for_a_day_fails() -> None:
    world, _ = failing(away())
    world.start()
    world.deliver_all()
    world.pass_by(STUCK_AFTER)
    assert world.deliver().ran is Ran.WAITS
    world.pass_by(LONGEST_WAIT)
    assert world.deliver().ran is Ran.FAILED
    assert world.only_job().problems[-1].code == "unavailable"


def test_a_job_that_takes_longer_than_its_parts_are_kept_fails(world: JobWorld) -> None:
    world.start()
    world.deliver()
    world.queue.clear()
    world.pass_by(LONGEST_JOB + SOON)
    assert world.deliver().ran is Ran.FAILED
    assert world.only_job().problems[-1].code == "too_long"


def test_the_first_hundred_problems_are_kept_and_what_ended_the_job_is_among_them() -> None:
    problems = tuple(JobProblem("limit_reached", "No more.", f"c{n}") for n in range(70))
    job = Job("job_1", JobKind.EXPORT, {}, "k", "staff", "s1", NOW, NOW)
    many = job.after(Progress({}, problems=problems), NOW).after(Progress({}, problems=problems), NOW)
    assert len(many.problems) == MAX_PROBLEMS
    assert [p.client_id for p in many.problems[68:72]] == ["c68", "c69", "c0", "c1"]
    failed = many.failed(JobProblem("internal_error", "It stopped."), NOW)
    assert (len(failed.problems), failed.problems[-1].code) == (MAX_PROBLEMS, "internal_error")


def test_a_job_of_a_later_release_is_left_to_that_one() -> None:
    world = JobWorld({})
    world.start()
    before = world.only_job()
    assert world.deliver().ran is Ran.WAITS
    after = world.only_job()
    assert (after.state, after.position, after.done) == (before.state, before.position, before.done)
    world.pass_by(STEP_LEASE)
    assert len(world.queue) == 1, "it is asked for until that release comes"


def test_a_file_is_there_for_a_week() -> None:
    job = Job("job_1", JobKind.EXPORT, {}, "k", "staff", "s1", NOW, NOW)
    done = job.after(Progress({}, finished=True, file="p1/job_1.csv"), NOW)
    assert done.has_file(NOW + 7 * DAY - SOON)
    assert not done.has_file(NOW + 7 * DAY)
    assert not job.after(Progress({}, finished=True), NOW).has_file(NOW)
