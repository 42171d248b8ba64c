"""Who may do what: Cedar policies (`*.cedar`), their schema, and the engine that decides. Pure.

Every operation is a Cedar action of the same name. What no policy permits is refused.
"""
