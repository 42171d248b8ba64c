"""Environments of projects (dev, staging, prod) and the history of deployments to them.

An environment has one stack. A deployment plans what a template would change in it, carries that
out, and is followed until the stack has ended; it can be stopped, rolled back and removed. A plan
that was overtaken is not carried out. The history is the only thing that says what runs where;
stacks in an account are made from it.
"""
