"""moto's Step Functions engine: five Pass states. Run by bench_workflows.py as peer_dbos.py is."""

import json
import sys
import time

import boto3
from moto import mock_aws

count = int(sys.argv[2])
definition = json.loads(sys.argv[3])
CONFIG = {"stepfunctions": {"execute_state_machine": True}}
KEYS = {"aws_access_key_id": "none", "aws_secret_access_key": "none", "region_name": "us-east-1"}
with mock_aws(config=CONFIG):
    client = boto3.client("stepfunctions", **KEYS)
    machine = client.create_state_machine(
        name="five", definition=json.dumps(definition), roleArn="arn:aws:iam::123456789012:role/x"
    )["stateMachineArn"]

    def run(number: int) -> None:
        execution = client.start_execution(
            stateMachineArn=machine, name=f"run-{number}", input='{"number": 0}'
        )["executionArn"]
        while True:
            told = client.describe_execution(executionArn=execution)
            if told["status"] != "RUNNING":
                assert told["status"] == "SUCCEEDED", told
                return
            time.sleep(0.0005)

    run(0)
    start = time.perf_counter()
    for number in range(1, count + 1):
        run(number)
    seconds = time.perf_counter() - start
print(json.dumps({"sequential": count / seconds}))
