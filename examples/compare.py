"""Two recipes over three seeds, beside each other: a table, and curves in comparison.png."""

import pandas
from matplotlib.figure import Figure

import gail_tf

SHORT = ["Trainer.total_env_steps = 4_096", "OnPolicyGenerator.jit_compile = False", "PPO.num_epochs = 4"]
RECIPES = {"GAIL (PPO)": ["gail_ppo/cartpole"], "GAIL-GP (PPO)": ["gail_gp/cartpole"]}

results = [
    (name, seed, gail_tf.train(configs, seed=seed, bindings=SHORT))
    for name, configs in RECIPES.items()
    for seed in range(3)
]
table = pandas.DataFrame(
    [(name, seed, result.return_mean, result.normalized_return) for name, seed, result in results],
    columns=["recipe", "seed", "return", "normalised"],
)
print(table.groupby("recipe")[["return", "normalised"]].agg(["median", "min", "max"]).round(2).to_string())

figure = Figure(figsize=(6, 4), layout="constrained")
axes = figure.subplots()
for name, seed, result in results:
    curve = result.metrics[["env_steps", "episode/return"]].dropna()
    colour = f"C{list(RECIPES).index(name)}"
    axes.plot(curve["env_steps"], curve["episode/return"], colour, label=name if seed == 0 else None)
axes.set(xlabel="environment steps", ylabel="return while training", title="CartPole-v1, three seeds each")
axes.legend()
figure.savefig("comparison.png", dpi=120)
print("curves: comparison.png")
