"""AWS, for every adapter: where it is, how it is called, and what its errors mean.

What flows where: an adapter (`aws.py` of a service) names a service and an operation of botocore's
models and gives parameters; `Aws` opens the session that fits (its own, or a role's), makes one
client a service, retries what may be retried, and raises `AwsRejected` or `AwsUnavailable`.
Service and operation stand in the code as literals, so that a test can walk every call, check it
against botocore's models, and write down the IAM actions that each adapter needs.

boto3 is imported here and in the `aws` modules of services alone, and only when a mesh runs on AWS.
"""
