"""Engines: which one a name stands for, a run away from the study's folder, Ray and Slurm's stand-in.

Training is played by the script of runner_test where it is not said otherwise.
"""
