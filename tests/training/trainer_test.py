import pytest

from gail_tf.training.trainer import filling_notes


@pytest.mark.parametrize(
    ("filling", "total", "said"),
    [
        (0, 1_000, None),
        (1_000, 20_000, None),
        (50_000, None, None),
        (1_001, 20_000, "The first 1,001 steps only fill the replay: nothing"),
        (1_000, 1_000, "Trainer.total_env_steps is 1,000: next to nothing"),
    ],
)
def test_a_long_filling_of_the_replay_is_announced(filling, total, said):
    notes = filling_notes(filling, total, num_evaluations=20)
    assert (said in notes[0] and len(notes) == 1) if said else notes == []
