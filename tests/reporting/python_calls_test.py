"""What commands are made of: lines of gin that a run has of its own."""

from gail_tf.reporting.python_calls import own_imports


def test_imports_of_ones_own_are_told_from_ours():
    config = "import gail_tf.agents\nimport boats \nfrom fleet import ships\nimport gail_tf_parts as mine\n"
    found = ["import boats", "from fleet import ships", "import gail_tf_parts as mine"]
    assert own_imports(config + "important.rate = 1\nboats.kind = 'import x'\n") == found
