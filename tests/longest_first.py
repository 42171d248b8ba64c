"""The files that take longest, longest first: whoever works on one of them last keeps all waiting.

Seconds of a run on two cores stand beside them (`make test ARGS=--durations=0` measures anew). They
need not be right; a file that takes less than those at the end need not be here.
"""

LONGEST_FIRST = (
    "tests/scenarios/test_journey_on_aws.py",  # 200
    "tests/fault/test_journey_survives_kills.py",  # 180
    "tests/scenarios/test_guide.py",  # 170
    "tests/fault/test_flows_on_aws.py",  # 170
    "tests/services/query/test_oracle_two_worlds.py",  # 110
    "tests/contracts/test_table_files.py",  # 90
    "tests/fault/test_workflow_kills.py",  # 85
    "tests/scenarios/test_bad_input.py",  # 80
    "tests/scenarios/test_authorization_matrix.py",  # 80
    "tests/scenarios/test_split_processes.py",  # 80
    "tests/fault/test_bus_simulation.py",  # 75
    "tests/services/lake/test_differential_aws.py",  # 75
    "tests/run/test_aws_remove.py",  # 65
    "tests/scenarios/test_machines.py",  # 65
    "tests/boundary/test_remote.py",  # 60
    "tests/services/query/test_sql_attacks.py",  # 60
    "tests/scenarios/test_promotion_on_slow_stacks.py",  # 50
    "tests/scenarios/test_bad_input_at_random.py",  # 50
    "tests/scenarios/test_shares_on_aws.py",  # 45
    "tests/fault/test_workflow_simulation.py",  # 45
    "tests/scenarios/test_bad_statements.py",  # 40
    "tests/contracts/test_store_model.py",  # 40
    "tests/services/query/test_oracle_copy.py",  # 40
    "tests/conformance/test_moto_runs_definitions.py",  # 40
    "tests/scenarios/test_oracle_over_http.py",  # 35
    "tests/contracts/test_query_engines.py",  # 35
    "tests/run/test_aws_prepare.py",  # 30
    "tests/scenarios/test_identity_on_aws.py",  # 30
    "tests/contracts/test_lake_grants.py",  # 25
    "tests/scenarios/test_query_views.py",  # 25
    "tests/scenarios/test_subscription_dates.py",  # 25
    "tests/contracts/test_table_files_versions.py",  # 25
    "tests/fault/test_portal_faults.py",  # 25
    "tests/scenarios/test_catalog_words_on_aws.py",  # 25
    "tests/services/query/test_masks.py",  # 25
    "tests/scenarios/test_statements_share_the_machine.py",  # 25
    "tests/fault/test_reconcile_kills.py",  # 25
    "tests/services/shares/test_aws_sharing_faults.py",  # 25
    "tests/services/query/test_sandbox_policy.py",  # 25
    "tests/fault/test_workflow_every_index.py",  # 20
    "tests/services/query/test_barrier_matrix.py",  # 20
    "tests/services/blueprints/test_aws_stacks_faults.py",  # 20
    "tests/cli/test_events_cli.py",  # 20
    "tests/scenarios/test_permissions.py",  # 20
    "tests/services/query/test_redshift_rights.py",  # 20
    "tests/fault/test_portal_words_faults.py",  # 20
    "tests/services/query/test_explain.py",  # 20
    "tests/services/query/test_filter_fuzz.py",  # 20
    "tests/tidy/test_leftovers.py",  # 20
    "tests/tidy/test_reference.py",  # 15
)
