"""The files that take longest, longest first: whoever works on one of them last keeps all waiting.

Seconds of a run of three workers on two cores stand beside them (`make test ARGS=--durations=0`
measures anew). They need not be right; a file that takes less than those at the end need not be
here.
"""

LONGEST_FIRST = (
    "tests/scenarios/test_journey_on_aws.py",  # 180
    "tests/fault/test_journey_survives_kills.py",  # 170
    "tests/fault/test_flows_on_aws.py",  # 170
    "tests/scenarios/test_guide.py",  # 160
    "tests/scenarios/test_bad_input.py",  # 110
    "tests/contracts/test_table_files.py",  # 90
    "tests/services/shares/test_aws_sharing_faults.py",  # 90
    "tests/services/lake/test_differential_aws.py",  # 85
    "tests/fault/test_workflow_kills.py",  # 85
    "tests/services/query/test_oracle_two_worlds.py",  # 80
    "tests/scenarios/test_split_processes.py",  # 80
    "tests/fault/test_bus_simulation.py",  # 75
    "tests/services/blueprints/test_aws_stacks_faults.py",  # 75
    "tests/scenarios/test_machines.py",  # 70
    "tests/scenarios/test_rest_on_aws.py",  # 65
    "tests/scenarios/test_promotion_on_slow_stacks.py",  # 60
    "tests/fault/test_storm_on_dynamodb.py",  # 60
    "tests/services/query/test_oracle_copy.py",  # 55
    "tests/fault/test_workflow_simulation.py",  # 55
    "tests/contracts/test_store_model.py",  # 55
    "tests/run/test_aws_remove.py",  # 50
    "tests/scenarios/test_authorization_matrix.py",  # 45
    "tests/conformance/test_moto_runs_definitions.py",  # 45
    "tests/platform/test_template_lint.py",  # 45
    "tests/services/query/test_sql_attacks.py",  # 45
    "tests/scenarios/test_shares_on_aws.py",  # 40
    "tests/fault/test_aws_throttled.py",  # 40
    "tests/scenarios/test_identity_on_aws.py",  # 40
    "tests/scenarios/test_subscription_dates.py",  # 40
    "tests/fault/test_portal_faults.py",  # 35
    "tests/fault/test_reconcile_kills.py",  # 35
    "tests/contracts/test_query_engines.py",  # 30
    "tests/scenarios/test_catalog_words_on_aws.py",  # 30
    "tests/platform/test_dynamodb_faults.py",  # 30
    "tests/fault/test_portal_words_faults.py",  # 30
    "tests/scenarios/test_crawls_on_aws.py",  # 30
    "tests/scenarios/test_query_cancel.py",  # 30
    "tests/scenarios/test_bad_input_at_random.py",  # 25
    "tests/services/query/test_sandbox_policy.py",  # 25
    "tests/scenarios/test_statements_share_the_machine.py",  # 25
    "tests/platform/test_dynamodb_lag.py",  # 25
    "tests/run/test_aws_figures.py",  # 25
    "tests/services/query/test_filter_fuzz.py",  # 25
    "tests/scenarios/test_bad_statements.py",  # 25
    "tests/fault/test_aws_silent.py",  # 25
    "tests/contracts/test_lake_grants.py",  # 25
    "tests/run/test_aws_prepare.py",  # 25
    "tests/services/query/test_explain.py",  # 25
    "tests/services/query/test_athena_differential.py",  # 25
    "tests/scenarios/test_journey.py",  # 25
    "tests/fault/test_workflow_decisions.py",  # 25
    "tests/services/lake/test_aws_lake.py",  # 20
    "tests/scenarios/test_query_views.py",  # 20
    "tests/contracts/test_table_files_versions.py",  # 20
    "tests/services/query/test_masks.py",  # 20
    "tests/fault/test_workflow_every_index.py",  # 20
    "tests/fault/test_workflow_clock.py",  # 20
    "tests/services/query/test_barrier_matrix.py",  # 20
    "tests/sandbox/test_iam_narrowed.py",  # 20
    "tests/sandbox/test_sandbox_cli.py",  # 20
    "tests/scenarios/test_oracle_over_http.py",  # 20
    "tests/scenarios/test_permissions.py",  # 20
    "tests/scenarios/test_query_stream.py",  # 20
    "tests/services/query/test_redshift_rights.py",  # 20
    "tests/cli/test_events_cli.py",  # 20
    "tests/policy/test_policies.py",  # 20
    "tests/tidy/test_reference.py",  # 20
    "tests/tidy/test_leftovers.py",  # 15
)
