"""Events: the bus `datamesh-events`: what happened, and the rules, queues and replays around it.

outbox → rule relay → messages → handlers, or whoever receives them over HTTP. Everything that moves
them lies in `meshplane.events`; here are the operations on it.
"""
