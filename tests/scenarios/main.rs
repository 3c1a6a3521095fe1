//! Tests of what a user sees on a real cluster. Scenarios share a cluster and its installation; each has its own namespace, or its
//! own release of the chart if it changes the installation.
//!
//! `make e2e` runs all scenarios, and `cargo test --workspace --test scenarios NAME` those with this name. `E2E_KEEP=1` keeps
//! the cluster running and reuses a kept one. The images are built and loaded again, so that changes take effect. `E2E_LONG=1`
//! makes random and repeated parts longer.

#![allow(clippy::unwrap_used, reason = "a failed unwrap is a failed test")]
#![allow(missing_docs, reason = "a test program has no interface")]

mod annotated;
mod any_pod;
mod bare;
mod cert_manager;
mod certificates;
mod chart;
mod csi_volumes;
mod documents;
mod example;
mod hostile;
mod kinds;
mod kubernetes_secrets;
mod kubernetes_secrets_life;
mod life;
mod other_webhook;
mod others;
mod outage;
mod readers;
mod refresh;
mod refused;
mod release;
mod restart;
mod restricted;
mod roles;
mod secrets;
mod shell;
mod variables;
mod world;

use std::num::NonZero;
use std::process::ExitCode;
use std::sync::Arc;

use e2e::progress::line;
use libtest_mimic::{Arguments, Failed, Trial};
use world::World;

/// A scenario's function.
type Story = fn(&World);
/// A scenario: its name and its function.
type Scenario = (&'static str, Story);

/// Scenarios that share a cluster. They run in parallel, those first that take longest.
const SIDE_BY_SIDE: [Scenario; 67] = [
    (
        "helm_installs_upgrades_and_leaves_nothing_behind",
        chart::life,
    ),
    (
        "pods_with_csi_volumes_run_unchanged_without_the_driver",
        csi_volumes::unchanged,
    ),
    (
        "example_class_v1alpha1_makes_six_files_in_both_containers",
        example::v1alpha1,
    ),
    (
        "example_class_v1_makes_six_files_in_both_containers",
        example::v1,
    ),
    (
        "sts_gets_the_pods_own_token_and_no_other_container_has_it",
        example::token,
    ),
    (
        "aws_is_asked_for_what_the_class_needs_and_no_more",
        example::calls,
    ),
    (
        "templates_make_a_database_url_and_a_properties_file",
        annotated::templates,
    ),
    ("a_path_of_parameters_becomes_files", annotated::path),
    (
        "an_optional_secret_appears_when_it_is_created",
        annotated::optional,
    ),
    (
        "a_pod_without_the_annotation_is_admitted_unchanged",
        bare::unchanged,
    ),
    (
        "a_missing_class_is_refused_until_it_is_created",
        refused::missing_class,
    ),
    (
        "a_bad_class_is_refused_by_apply_with_every_mistake",
        refused::bad_class_at_apply,
    ),
    (
        "a_pod_of_a_bad_class_is_refused_until_it_is_corrected",
        refused::bad_class,
    ),
    (
        "a_service_account_without_role_is_refused_until_it_has_one",
        refused::no_role,
    ),
    (
        "a_misspelt_annotation_is_refused_with_the_one_that_was_meant",
        refused::misspelt_annotation,
    ),
    (
        "annotations_of_a_workload_that_are_not_its_pods_get_a_warning",
        refused::annotated_workload,
    ),
    (
        "a_container_without_the_files_cannot_reach_them_through_the_sidecar",
        readers::through_processes,
    ),
    (
        "a_missing_secret_stops_the_pod_until_it_is_created",
        secrets::missing,
    ),
    (
        "a_denied_secret_stops_the_pod_until_it_is_allowed",
        secrets::denied,
    ),
    (
        "the_roles_view_and_edit_include_classes",
        roles::view_and_edit,
    ),
    (
        "a_restricted_namespace_takes_the_injected_pod",
        restricted::admitted,
    ),
    ("workloads_of_every_kind_get_their_files", kinds::workloads),
    ("unusual_pods_get_their_files", kinds::unusual_pods),
    ("quotas_and_the_quality_of_service_are_kept", kinds::quotas),
    (
        "a_pod_with_resources_of_its_own_gets_its_files",
        kinds::pod_level_resources,
    ),
    ("the_largest_pods_are_admitted", kinds::large_pods),
    (
        "the_documented_annotations_fit_into_limit_ranges",
        kinds::limit_ranges,
    ),
    ("any_valid_pod_is_valid_when_injected", any_pod::is_valid),
    (
        "other_webhooks_before_and_after_leave_a_whole_pod",
        others::before_and_after,
    ),
    ("a_service_mesh_gets_along", others::mesh_runs),
    (
        "a_pod_that_another_webhook_destroys_is_refused",
        others::destroyed,
    ),
    (
        "a_changed_secret_reaches_the_file_and_nothing_else_is_asked_for",
        refresh::reaches_the_file,
    ),
    ("a_job_with_a_sidecar_completes", refresh::job_completes),
    ("a_changed_secret_signals_the_app", refresh::signals_the_app),
    ("a_sidecar_outlives_every_outage", refresh::outage),
    ("readers_see_whole_sets_alone", refresh::whole_sets),
    (
        "variables_have_every_byte_of_their_values",
        variables::values,
    ),
    ("probes_and_hooks_have_the_variables", variables::probes),
    (
        "variables_come_before_the_containers_own",
        variables::beside_own,
    ),
    (
        "a_restarted_container_has_the_new_value",
        variables::restarted,
    ),
    (
        "a_change_restarts_the_containers_in_place_once",
        restart::in_place,
    ),
    (
        "references_to_a_secret_of_the_class_work_without_the_secret",
        kubernetes_secrets::without_secret,
    ),
    (
        "a_pod_with_the_printed_role_writes_its_secret_which_goes_with_the_last_owner",
        kubernetes_secrets::synced,
    ),
    (
        "a_rotated_secret_reaches_the_kubernetes_secret",
        kubernetes_secrets::rotated,
    ),
    (
        "a_foreign_kubernetes_secret_stays_as_it_is",
        kubernetes_secrets::foreign,
    ),
    ("a_pem_becomes_a_tls_secret", kubernetes_secrets_life::tls),
    (
        "pods_share_a_secret_that_is_there_at_every_moment_of_a_rollout",
        kubernetes_secrets_life::shared,
    ),
    (
        "without_webhook_configuration_the_policy_refuses_pods_that_lack_something",
        outage::no_configuration,
    ),
    (
        "a_value_that_the_kubelet_cannot_read_stops_the_pod_until_it_is_changed",
        variables::unwritable,
    ),
    (
        "containers_of_every_kind_have_their_variables",
        variables::kinds,
    ),
    (
        "the_nodes_have_the_kernel_settings_of_users_nodes",
        readers::node_settings,
    ),
    ("an_image_of_root_reads_its_files", readers::root_image),
    (
        "an_image_of_another_user_reads_its_files",
        readers::image_user,
    ),
    (
        "containers_of_two_users_read_their_files",
        readers::two_users,
    ),
    ("an_fs_group_reads_files_of_mode_0440", readers::fs_group),
    (
        "the_user_of_run_as_user_reads_files_of_mode_0400",
        readers::run_as_user,
    ),
    (
        "the_pods_user_reads_files_of_mode_0400",
        readers::shared_user,
    ),
    (
        "init_containers_and_sidecars_read_their_files",
        readers::init_containers,
    ),
    (
        "one_file_can_be_mounted_and_the_whole_volume_cannot",
        readers::one_file,
    ),
    (
        "a_pod_whose_sandbox_ended_reads_its_files_again",
        readers::sandbox_ended,
    ),
    (
        "the_webhook_may_write_its_ca_bundle_and_nothing_else",
        certificates::own_configuration,
    ),
    (
        "the_injectors_processes_are_hidden_from_their_first_moment_on",
        hostile::program_is_hidden,
    ),
    (
        "a_stopped_sidecar_is_restarted",
        hostile::stopped_sidecar_restarts,
    ),
    (
        "a_handwritten_injection_is_replaced",
        hostile::handwritten_is_replaced,
    ),
    (
        "a_service_named_kubernetes_does_not_get_the_secrets",
        hostile::service_named_kubernetes,
    ),
    ("the_chart_is_valid_with_any_values", chart::values),
    (
        "documents_have_manifests_that_the_api_server_takes",
        documents::manifests,
    ),
];

/// Scenarios that send a stream of pods of which none may be refused, or change all of the cluster: its API server, its CRD, or the
/// installation with the names of the documentation. They run one by one when the others have ended, because a busy machine refuses
/// pods by itself.
const ONE_BY_ONE: [Scenario; 7] = [
    (
        "certificates_are_exchanged_under_load_and_fail_no_admission",
        certificates::rotations,
    ),
    (
        "cert_manager_issues_and_renews_the_webhooks_certificate",
        cert_manager::issues_and_renews,
    ),
    (
        "a_rolling_restart_and_a_deleted_replica_fail_no_admission",
        life::replicas,
    ),
    (
        "without_webhook_bare_pods_come_and_annotated_ones_are_refused",
        outage::no_replica,
    ),
    (
        "documents_have_commands_that_do_what_they_say",
        documents::stories,
    ),
    (
        "a_restart_of_the_api_server_loses_no_pod",
        life::api_server_restart,
    ),
    (
        "without_the_crd_a_pod_can_describe_its_objects",
        annotated::without_crd,
    ),
];

/// Scenarios wait most of the time: for pods, certificates and refreshes.
const SCENARIOS_PER_CORE: usize = 2;

fn main() -> ExitCode {
    let mut arguments = Arguments::from_args();
    if arguments.list {
        let all = trials(&SIDE_BY_SIDE, None)
            .into_iter()
            .chain(trials(&ONE_BY_ONE, None))
            .collect();
        return libtest_mimic::run(&arguments, all).exit_code();
    }
    let _claim = match world::claim() {
        Ok(claim) => claim,
        Err(error) => {
            line(&format!("error: {error:#}"));
            return ExitCode::FAILURE;
        }
    };
    world::take_down_on_signals();
    let world = match World::start() {
        Ok(world) => Arc::new(world),
        Err(error) => {
            line(&format!("error: {error:#}"));
            world::take_down();
            return ExitCode::FAILURE;
        }
    };
    line("==> running the scenarios");
    let cores = std::thread::available_parallelism().map_or(1, NonZero::get);
    arguments
        .test_threads
        .get_or_insert(SCENARIOS_PER_CORE * cores);
    let first = libtest_mimic::run(&arguments, trials(&SIDE_BY_SIDE, Some(&world)));
    arguments.test_threads = Some(1);
    let second = libtest_mimic::run(&arguments, trials(&ONE_BY_ONE, Some(&world)));
    drop(world);
    world::take_down();
    if first.has_failed() || second.has_failed() {
        ExitCode::FAILURE
    } else {
        ExitCode::SUCCESS
    }
}

fn trials(scenarios: &[Scenario], world: Option<&Arc<World>>) -> Vec<Trial> {
    let trial = |(name, scenario): &Scenario| {
        let (scenario, world) = (*scenario, world.cloned());
        Trial::test(*name, move || {
            let world = world.ok_or_else(|| Failed::from("no cluster"))?;
            scenario(&world);
            Ok(())
        })
    };
    scenarios.iter().map(trial).collect()
}
