//! What every sink must do that keeps tables.

pub(crate) mod captured;
pub(crate) mod history;
pub(crate) mod kills;
pub(crate) mod replays;
pub(crate) mod rows;
pub(crate) mod servers;
pub(crate) mod tasks;

/// A test for each function of the suite that concerns histories, with a database.
#[macro_export]
macro_rules! histories {
    ($probe:ty) => {
        $crate::conformance!(@tests $probe;
            history::every_event_is_a_version,
            history::late_events_get_their_place_and_replays_change_nothing,
            history::truncates_end_earlier_versions,
            history::changed_keys_keep_large_values,
            history::omitted_values_that_nothing_has_are_rejected_or_lost,
            history::rows_that_are_read_again_are_versions_only_if_they_have_changed,
            history::columns_are_added_to_a_history,
            history::a_history_without_evolution_names_its_statements,
            history::a_dry_run_of_a_history_changes_nothing,
            history::a_history_needs_a_key,
            history::a_table_of_another_mode_is_refused,
            history::a_history_is_the_same_when_everything_is_read_again,
            history::history_of_shop_string,
            history::history_of_shop_precise,
            history::history_of_types_connect,
            history::history_of_types_adaptive,
        );
    };
}

/// A test for each other function of the suite, with a database.
#[macro_export]
macro_rules! conformance {
    ($probe:ty) => {
        $crate::conformance!(@tests $probe;
            captured::shop_string_with_schemas,
            captured::shop_string_without_schemas,
            captured::shop_precise_with_schemas,
            captured::shop_precise_with_hints,
            captured::types_connect_with_schemas,
            captured::types_connect_without_schemas,
            captured::types_adaptive_with_schemas,
            captured::types_adaptive_with_hints,
            kills::ten_kills_lose_nothing_and_write_nothing_twice,
            kills::a_killed_host_leaves_whole_batches,
            kills::lost_answers_to_commit_write_nothing_twice,
            kills::a_frozen_host_writes_nothing_after_its_partitions_moved,
            replays::nothing_changes_when_offsets_are_reset,
            replays::nothing_changes_when_another_connector_reads_everything_again,
            replays::nothing_changes_when_events_are_produced_again,
            replays::late_events_change_nothing,
            rows::deleted_rows_are_removed_and_come_back,
            rows::soft_deleted_rows_keep_their_values,
            rows::truncates_remove_earlier_rows,
            rows::changed_keys_end_with_one_row,
            rows::large_values_move_with_their_key,
            rows::tables_without_a_key_have_every_event_once,
            rows::append_has_a_row_for_every_event,
            rows::columns_are_added_and_values_that_do_not_fit_go_beside,
            rows::existing_tables_are_written_and_own_columns_left_alone,
            rows::one_bad_row_of_many_is_named_and_rejected_alone,
            rows::schema_evolution_off_names_the_statement,
            rows::a_dry_run_changes_nothing,
            tasks::tasks_that_race_end_equal,
        );
    };
    (@tests $probe:ty; $($module:ident::$test:ident),* $(,)?) => {$(
        #[test]
        fn $test() {
            $crate::suite::$module::$test::<$probe>();
        }
    )*};
}
