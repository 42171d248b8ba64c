"""AWS on this machine: for trying the product, and for its tests. No account, no Docker.

What flows where: `server` listens on loopback and speaks AWS's protocols. `front` finds out who
calls (`callers`), whether he may (`iam`), and whether this call is one that is to fail (`faults`).
A service that moto answers honestly goes to moto, in this process. The others are fakes: `protocol`
decodes the request by botocore's service model, `strictness` checks it against that model, a
handler of the fake answers out of the state in its `World`, and the answer is checked against the
model before it is encoded. An operation without a handler answers 501; an answer that breaks the
model answers 500, so that a fake cannot drift from the model unseen.

It knows nothing of the product: what it says a principal may see is worked out from AWS's
documented rules alone, so that comparing the two means something.
"""
