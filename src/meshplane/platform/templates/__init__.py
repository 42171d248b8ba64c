"""CloudFormation's templates: what is one, what it needs, and what cfn-lint says of it."""
