"""From one person's answers to a persona that answers and talks like them.

    python examples/one_person.py

The person is simulated; `personalign.read_answers("me.json")` reads your own, from
`personalign take -o me.json`. A minute at most on two cores.
"""

from __future__ import annotations

import personalign as pa

decoder = pa.Decoder.load("pocket")
person = pa.simulate(1, seed=7)
inventory = person.inventory

pas = pa.get_method("pas", decoder=decoder)
(persona,) = pas.personas(person.only(inventory.tuning))  # it sees the 120, never the other 180
assert persona.shift is not None, "this person is not neutral about everything"
print(f"{len(persona.shift)} heads are pushed, with alpha {persona.alpha:g}.")

answers = pa.answer_items(decoder, [pa.PLAIN, persona], inventory.held_out)
for name, responses in zip(("plain model", "persona"), answers.responses(), strict=True):
    score = pa.aligned_score(responses[None], person, inventory.held_out)
    print(f"{name}: composite {score.composite:.2f} on the 180 held-out items")

question = "A friend asks you to come along to a big party on Saturday. What do you do?"
for name, text in zip(
    ("plain model", "persona"),
    pa.generate(decoder, [pa.PLAIN, persona], question, max_new_tokens=60),
    strict=True,
):
    print(f"\n{name}: {text.strip()}")

print(f"\nSaved to {persona.save('one-person')}; it holds none of the answers.")
