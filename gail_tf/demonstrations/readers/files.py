"""The readers of single files, in the order in which they look; folders are read by the same ones."""

from gail_tf.demonstrations.readers import d4rl, hdf5, imitation, own, robomimic, stable_baselines, table

FILE_READERS = (
    own.read,
    imitation.read_npz,
    stable_baselines.read,
    d4rl.read,
    robomimic.read,
    hdf5.read,
    hdf5.not_known,
    table.read_parquet,
    table.read_csv,
)
SUFFIXES = (".npz", ".hdf5", ".h5", ".parquet", ".csv")
