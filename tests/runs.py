"""Divide the tests between the quick run, the thorough run and the nightly run; each case is in exactly one of them.

- `tox -e py` runs the quick tests, in minutes. Every module, command, component, shell and interpreter is in them.
- `tox -e thorough` runs the cases that this module marks `thorough`. `.ci/run` runs both.
- `tox -e nightly` runs the tests that are marked `nightly` or `clients` where they are defined, sweeps in full, and the
  cases that this module marks `nightly`.

The tables `SLOW` and `VERY_SLOW` decide, based on measurements. Some tests have many similar cases: `few` and `each` choose a
sample. Others take seconds because they use a real tool for something that cheaper tests also cover: `NONE`
leaves them to the thorough run. `pytest --durations=50` shows candidates for the tables.
"""

from __future__ import annotations

from collections import defaultdict
from fnmatch import fnmatchcase
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from cloche.testing import Check

if TYPE_CHECKING:
    from collections.abc import Callable, Hashable, Iterable, Mapping, Sequence
    from typing import TypeAlias

    Choice: TypeAlias = Callable[[Sequence[pytest.Item]], Sequence[pytest.Item]]

HERE = Path(__file__).parent

COLLECTED = pytest.StashKey[list[pytest.Item]]()
"""All tests that the session collected, including those that it then deselected."""


def few(count: int) -> Choice:
    """Choose this number of cases of a test, evenly spread."""
    return lambda cases: cases if count >= len(cases) else [cases[n * len(cases) // count] for n in range(count)]


def checks(*words: str) -> Choice:
    """Choose the checks of a contract that are the first whose names begin with one of these words."""

    def choose(cases: Sequence[pytest.Item]) -> Sequence[pytest.Item]:
        first: dict[tuple[str, Hashable], pytest.Item] = {}
        for case in cases:
            for kind in kinds(case, ["check"]):
                first.setdefault(kind, case)
        return [case for (_, word), case in first.items() if word in words]

    return choose


def each(*names: str) -> Choice:
    """Choose cases so that every kind of value of these parameters occurs; one case if the test lacks the parameters."""

    def choose(cases: Sequence[pytest.Item]) -> Sequence[pytest.Item]:
        chosen, seen = [cases[0]], kinds(cases[0], names)
        while new := max((kinds(case, names) - seen for case in cases), key=len):
            chosen.append(next(case for case in cases if new <= kinds(case, names)))
            seen |= new
        return chosen

    return choose


NONE = few(0)


SLOW: dict[str, Choice] = {
    "lifecycle/test_activation_after_move.py::test_every_shell_*": few(3),
    "test_typing.py::test_mypy_*": NONE,
    # Every tool and creator: the tests of one environment come first in the same module.
    "lifecycle/test_verify.py::test_environments_of_every_*": NONE,
    "lifecycle/test_verify.py::test_anything_but_a_regular_file_*": NONE,
    "lifecycle/test_verify.py::test_a_change_during_*": NONE,
    "lifecycle/test_verify.py::test_a_record_with_a_path_*": NONE,
    "lifecycle/test_verify.py::test_a_package_that_pip_installed_*": NONE,
    "lifecycle/test_verify.py::test_every_change_of_the_configuration_*": NONE,
    # Killed, failing and concurrent runs at many moments. `transaction` and `test_destinations` test each guarantee.
    "sweep/*": NONE,
    "lifecycle/test_killed.py::*": NONE,
    "lifecycle/test_rollback.py::test_a_repair_reads_*": NONE,
    "integration/test_crowds.py::*": NONE,
    "integration/test_destinations.py::test_the_next_run_rolls_back_a_killed_one*": few(1),
    "integration/test_destinations.py::test_a_signal_ends_the_run*": few(3),
    "integration/test_destinations.py::test_an_environment_that_has_lost_its_settings_*": NONE,
    "integration/test_destinations.py::test_the_umask_*": few(1),
    "integration/test_destinations.py::test_an_environment_of_another_python_*": NONE,
    "integration/test_destinations.py::*": few(2),
    "transaction/test_takeover.py::test_a_killed_*": NONE,
    "transaction/test_takeover.py::test_without_the_exchange_*": few(3),
    "transaction/test_moments.py::test_an_edit_*": NONE,
    "transaction/test_moments.py::*": few(1),
    # Every interpreter: `test_create` creates and uses an environment for each.
    "integration/test_distutils_settings.py::test_the_settings_of_the_user_*": NONE,
    "integration/test_distutils_settings.py::test_the_files_*": few(1),
    "integration/test_distutils_settings.py::test_newer_*": few(1),
    "integration/test_distutils_settings.py::*": NONE,
    "integration/test_create.py::test_every_interpreter_*": few(3),
    "integration/test_create.py::test_files_in_the_current_*": few(1),
    "integration/test_create.py::test_pypy_*": NONE,
    "integration/test_create.py::test_pip_runs_from_*": few(3),
    "integration/test_create.py::test_uninstalling_pip_*": NONE,
    "seeding/test_real_pips.py::test_pip_*": NONE,
    "seeding/test_real_pips.py::test_setuptools_*": NONE,
    "seeding/test_real_pips.py::test_*_in_one_environment_*": NONE,
    "seeding/test_downloads.py::test_a_large_file_*": NONE,
    "seeding/test_downloads.py::test_a_bad_answer_*": few(6),
    "seeding/test_builds.py::test_an_unusable_source_*": few(3),
    "seeding/test_builds.py::test_builds_can_be_refused": few(1),
    "integration/test_locked.py::test_files_that_cannot_be_listed_*": NONE,
    "seeding/test_builds.py::test_an_invalid_pyproject_*": few(2),
    "seeding/test_builds.py::test_credentials_*": few(1),
    "seeding/test_builds.py::*": NONE,
    "seeding/test_directories.py::test_a_directory_*": NONE,
    "seeding/test_directories.py::test_an_environment_*": NONE,
    "seeding/test_directories.py::*": few(9),
    "seeding/test_real_pips.py::test_only_the_second_*": NONE,
    "seeding/test_real_pips.py::*": few(1),
    "integration/test_startup_code.py::test_an_upgrade_*": NONE,
    "integration/test_startup_code.py::test_unpacking_*": NONE,
    "integration/test_startup_code.py::test_newer_seeds_*": NONE,
    "integration/test_startup_code.py::test_a_repair_*": NONE,
    "seeding/test_without_hashes.py::test_a_directory_is_built_*": NONE,
    "seeding/test_without_hashes.py::test_the_content_of_an_archive_*": NONE,
    "seeding/*": few(1),
    "targets/*": few(1),
    "discovery/test_probe.py::test_an_environment_is_resolved_to_its_base_interpreter": each("kind"),
    "discovery/test_version_managers.py::test_a_shim_of_mise_*": few(2),
    "discovery/test_version_managers.py::test_a_wrapper_*": few(1),
    "discovery/test_builds.py::test_a_debug_build_is_recorded_*": few(1),
    "discovery/test_builds.py::test_an_environment_of_a_debug_build_*": few(1),
    "discovery/test_probe.py::test_the_scheme_matches_an_environment_created_by_venv": few(3),
    # Every shell: one case for each kind of check in its activator's contract, and one session in each mode.
    # For csh, other quick tests cover the other kinds. PowerShell is slow: a single check takes up to six seconds.
    "shells/test_csh.py::test_contract": few(3),
    "shells/test_powershell.py::test_contract": checks("activation"),
    "shells/*::test_contract": each("check"),
    "shells/test_batch.py::test_a_second_environment_replaces_the_first": NONE,
    "shells/test_batch.py::* (cmd)": NONE,
    "shells/test_powershell.py::test_a_second_environment_replaces_the_first": few(1),
    "shells/test_powershell.py::* (tmp_path)": NONE,
    "shells/test_any_text.py::*": NONE,
    "shells/test_words.py::test_words_are_read_*": few(12),
    "shells/test_activation_hint.py::test_the_hint_*": few(4),
    "shells/test_fish.py::test_any_text_can_be_quoted": NONE,
    "shells/test_csh.py::test_*": few(1),
    "shells/test_posix_shells.py::test_nothing_in_names_is_expanded_or_run": few(3),
    "shells/test_posix_shells.py::test_any_text_can_be_quoted": few(3),
    "shells/test_posix_shells.py::test_nothing_in_the_prompt_of_bash_runs_in_any_locale": few(1),
    "shells/test_posix_shells.py::test_another_shell_that_inherits_*": few(1),
    "shells/test_posix_shells.py::test_*prompt*": few(2),
    "shells/test_posix_shells.py::test_bash_displays_*": few(2),
    "shells/test_unusual_sessions.py::test_every_option_of_zsh_*": few(6),
    "shells/test_unusual_sessions.py::*": each("shell"),
    "shells/test_relocatable_activation.py::test_the_directory_can_have_any_name": few(2),
    "shells/test_relocatable_scripts.py::test_the_directory_can_have_any_name": few(2),
    "cli/test_reports.py::test_an_old_pip_is_reported_in_*": NONE,
    "cli/test_completion.py::test_names_of_directories_are_quoted": few(3),
    "cli/test_completion.py::test_powershell_*": NONE,
    "cli/test_activate.py::test_*": each("shell"),
    "cli/test_bill_of_materials.py::test_equal_*": NONE,
    # Environments created by other tools, with packages: one or two for each of `move`, `doctor` and `upgrade`.
    "lifecycle/test_templates.py::*": NONE,
    "lifecycle/test_remedies.py::test_a_printed_remedy_*": few(1),
    "lifecycle/test_nothing_is_lost.py::*": NONE,
    "lifecycle/test_moving.py::test_external_references_*": NONE,
    "lifecycle/test_moving.py::test_editable_installs_*": NONE,
    "lifecycle/test_doctor.py::test_a_broken_pip_*": NONE,
    "lifecycle/test_doctor.py::test_an_environment_is_repaired_through_*": NONE,
    "lifecycle/test_doctor.py::test_a_second_pip_*": NONE,
    "lifecycle/test_doctor.py::test_a_directory_in_the_place_of_a_file_*": NONE,
    "lifecycle/test_doctor.py::test_a_broken_configuration_*": NONE,
    "lifecycle/test_doctor.py::test_a_nul_character_*": NONE,
    "lifecycle/test_doctor.py::test_a_staging_directory_that_cannot_*": NONE,
    "lifecycle/test_doctor.py::test_the_error_for_a_file_of_an_*": few(1),
    "lifecycle/test_doctor.py::test_scripts_with_the_python_of_the_base_*": NONE,
    "lifecycle/test_doctor.py::test_an_unfinished_environment_of_venv_*": NONE,
    "lifecycle/test_upgrade.py::test_an_upgrade_to_another_minor_version_*": few(1),
    "lifecycle/test_upgrade.py::test_an_environment_is_upgraded_to_another_implementation_*": few(1),
    "lifecycle/test_upgrade.py::test_an_environment_with_a_deleted_base_*": NONE,
    "lifecycle/test_upgrade.py::test_the_options_of_the_environment_*": few(1),
    "lifecycle/test_upgrade.py::test_check_*": few(1),
    "lifecycle/test_upgrade.py::test_files_of_the_user_*": few(1),
    "lifecycle/test_upgrade.py::*": NONE,
    "lifecycle/test_successors.py::*": NONE,
    "lifecycle/test_records.py::test_absolute_*": few(1),
    "lifecycle/test_records.py::*": NONE,
    "lifecycle/test_kept_options.py::test_an_upgrade_installs_*": few(1),
    "lifecycle/test_kept_options.py::test_seeds_that_*": few(1),
    "lifecycle/test_kept_files.py::test_edits_*": few(1),
    "lifecycle/test_kept_files.py::*": NONE,
    "lifecycle/test_known_tools.py::test_every_*": few(1),
    "lifecycle/test_known_tools.py::*": NONE,
    "lifecycle/test_requirements.py::test_a_requirement_*": few(11),
    "lifecycle/test_requirements.py::test_an_upgrade_refuses_*": few(1),
    "lifecycle/test_requirements.py::*": NONE,
    "lifecycle/test_causes.py::test_a_base_that_is_too_old_*": few(1),
    "lifecycle/test_causes.py::test_a_directory_instead_of_a_link_becomes_*": few(1),
    "lifecycle/test_causes.py::*": NONE,
    "lifecycle/test_running.py::test_no_hint_offers_to_make_*": NONE,
    "lifecycle/test_running.py::test_the_hint_about_a_python_file_*": few(1),
    "lifecycle/*": few(1),
    # Portable environments: the quick tests use one Python, and none that takes long to compile.
    "portable/test_libraries.py::test_*_in_a_root_*": NONE,
    "portable/test_lifecycle.py::test_the_whole_*": NONE,
    "portable/test_lifecycle.py::test_an_upgrade_*": NONE,
    "portable/test_interpreters.py::test_it_is_the_base_*": NONE,
    "portable/test_interpreters.py::test_environments_can_*": NONE,
    "portable/test_builds.py::*": NONE,
    "portable/test_failures.py::*": NONE,
    "portable/test_interpreters.py::test_it_never_runs_*": NONE,
    "portable/test_interpreters.py::test_its_modules_*": NONE,
    "portable/test_lifecycle.py::test_it_does_not_become_*": NONE,
    "portable/test_lifecycle.py::test_clear_*": NONE,
    "portable/test_lifecycle.py::test_a_copy_shares_*": NONE,
    "portable/test_lifecycle.py::test_a_library_*": NONE,
    "portable/test_lifecycle.py::test_a_file_of_the_interpreter_*": NONE,
    "portable/test_lifecycle.py::test_virtualenv_and_uv_*": NONE,
    "portable/test_lifecycle.py::test_an_installed_*": NONE,
    "portable/test_interpreters.py::test_an_extension_module_*": NONE,
    "portable/test_lifecycle.py::test_it_is_up_to_date_*": NONE,
    "portable/test_lifecycle.py::test_another_environment_*": NONE,
    "portable/*": few(1),
    # Unusual destinations, requests and damage.
    "integration/test_linked_seeds.py::test_a_lost_seed_*": NONE,
    "integration/test_linked_seeds.py::test_a_broken_pip_*": NONE,
    "integration/test_linked_seeds.py::test_clearing_*": NONE,
    "integration/test_linked_seeds.py::test_a_moved_*": NONE,
    "integration/test_linked_seeds.py::test_a_refresh_installs_*": NONE,
    "integration/test_linked_seeds.py::test_packages_that_another_tool_*": NONE,
    "integration/test_linked_seeds.py::*": few(1),
    "integration/test_current_directory.py::test_no_command_*": NONE,
    "integration/test_reflinks.py::*": NONE,
    "integration/test_odd_places.py::test_an_environment_is_created_without_a_usable_home": few(1),
    "integration/test_odd_places.py::test_unsupported_system_calls_have_fallbacks": few(1),
    "integration/test_odd_places.py::*": NONE,
    "integration/test_locales.py::*": few(2),
    "integration/test_any_name.py::test_a_name_with_the_end_of_a_line_*": few(2),
    "integration/test_any_name.py::*": NONE,
    "integration/test_relocatable.py::test_a_copy_is_independent_*": NONE,
    "integration/test_relocatable.py::test_an_environment_of_*": NONE,
    "integration/test_relocatable.py::test_doctor_*": NONE,
    "integration/test_relocatable.py::test_move_and_upgrade_*": NONE,
    "integration/test_current_directory.py::test_a_blank_name_*": few(3),
    "integration/test_plan_cache.py::*": few(2),
    "integration/test_locked.py::test_a_result_counts_*": NONE,
    "integration/test_locked.py::test_upgrade_selects_*": NONE,
    "integration/test_locked.py::test_the_scripts_of_another_tool_*": few(1),
    "integration/test_locked.py::test_packages_that_somebody_installed_can_*": NONE,
    "integration/test_locked.py::test_another_lock_file_with_*": NONE,
    "integration/test_locked.py::test_the_image_of_another_*": NONE,
    "integration/test_locked.py::test_a_damaged_environment_*": few(1),
    "integration/test_up_to_date.py::test_a_change_*": few(3),
    "integration/test_locked.py::test_a_directory_that_must_stay_*": few(1),
    "integration/test_locked.py::test_the_lock_can_be_a_setting": few(1),
    "integration/test_locked.py::test_a_file_with_another_hash_*": few(1),
    "integration/test_locked.py::test_of_two_different_files_*": NONE,
    "integration/test_locked.py::test_environments_of_every_creator_*": NONE,
    "integration/test_locked.py::test_an_environment_is_up_to_date_however_*": few(1),
    "integration/test_locked.py::test_a_moved_environment_*": few(1),
    "integration/test_locked.py::test_options_that_make_no_sense_*": few(4),
    "integration/test_locked.py::test_a_stronger_setting_*": NONE,
    "integration/test_locked.py::test_a_relocatable_environment_*": NONE,
    "integration/test_locked.py::test_clear_*": NONE,
    "integration/test_locked.py::test_a_run_without_the_lock_*": NONE,
    "integration/test_locked.py::test_an_environment_of_another_python_*": NONE,
    "integration/test_locked.py::test_an_environment_becomes_portable_*": NONE,
    "lifecycle/test_remedies.py::test_remedies_work_in_the_order_*": NONE,
    "packing/test_pack.py::test_what_every_environment_needs_*": few(1),
    "unit/test_compiling.py::test_threads_that_wait_behind_a_process_that_hangs_*": NONE,
    "integration/test_store_damaged.py::*": few(4),
    "integration/test_refresh.py::test_a_script_that_cannot_run_*": NONE,
    "integration/test_refresh.py::test_a_seed_with_an_emptied_module_*": NONE,
    "integration/test_refresh.py::test_the_pip_*": NONE,
    "integration/test_refresh.py::*": few(1),
    "integration/test_clearing.py::test_no_flag_deletes_*": few(3),
    "integration/test_clearing.py::test_a_killed_run_*": few(1),
    "integration/test_clearing.py::test_an_environment_that_venv_added_*": NONE,
    "integration/test_store_on_disk.py::test_a_cache_that_vanishes_*": NONE,
    "integration/test_store_on_disk.py::test_symlinks_may_*": NONE,
    "integration/test_store_on_disk.py::test_images_that_cannot_be_cached_*": few(1),
    "integration/test_seeds.py::test_seeds_beside_*": few(1),
    "integration/test_seeds.py::test_a_version_of_a_seed_*": few(1),
    "integration/test_clearing.py::test_a_directory_of_the_system_is_not_*": few(1),
    "integration/test_seeds.py::test_pip_resolves_*": NONE,
    "integration/test_seeds.py::test_a_build_tool_that_*": NONE,
    "integration/test_seeds.py::test_a_dependency_that_cannot_be_read_*": few(1),
    "integration/test_zipapp.py::test_the_archive_has_the_built_in_plugin_*": NONE,
    "integration/test_zipapp.py::*": NONE,
    "packing/test_pack.py::test_an_archive_has_the_same_bytes_*": NONE,
    "packing/test_pack.py::test_links_that_lead_out_*": NONE,
    "packing/test_pack.py::test_times_*": NONE,
    "packing/test_unlucky.py::test_a_signal_*": NONE,
    "packing/test_unlucky.py::test_a_damaged_*": NONE,
    "packing/test_unlucky.py::test_a_link_to_an_environment_*": NONE,
    "packing/test_pack.py::test_other_programs_*": NONE,
    "packing/test_pack.py::test_a_packed_environment_*": few(1),
    "packing/test_pack.py::test_hostile_file_systems_*": few(1),
    "packing/test_pack.py::test_hostile_archives_*": few(6),
    "packing/test_pack.py::test_a_full_disk_*": few(1),
    "packing/test_pack.py::test_invalid_arguments_*": few(9),
    "packing/test_pack.py::test_a_name_*": few(1),
    "packing/test_pack.py::test_a_pattern_*": NONE,
    "packing/test_pack.py::test_data_after_*": NONE,
    "packing/test_content.py::*": NONE,
    "packing/test_bytecode.py::*": NONE,
    "packing/test_unlucky.py::test_a_file_that_changes_*": few(1),
    "unit/test_testing_kit.py::test_a_correct_activator_*": NONE,
    "unit/test_testing_kit.py::test_checks_of_text_*": NONE,
    "unit/test_testing_kit.py::test_quote_may_refuse_*": NONE,
    "unit/test_testing_kit.py::test_a_source_line_*": NONE,
    "unit/test_testing_kit.py::test_each_cause_*": NONE,
    "unit/test_testing_kit.py::test_a_terminal_*": NONE,
    "unit/test_testing_kit.py::test_an_activator_with_correct_*": NONE,
    "unit/test_testing_kit.py::test_a_shell_may_need_*": NONE,
    "unit/test_seed_sources.py::test_pip_resolves_*": NONE,
    "unit/test_seed_sources.py::test_what_pip_cannot_resolve_*": NONE,
    "unit/test_bytecode.py::test_the_order_*": few(1),
    "unit/test_bytecode.py::test_strings_*": few(1),
    "unit/test_installation.py::test_scripts_start_from_any_directory": few(4),
    "unit/test_programs.py::test_no_setting_*": few(2),
    "unit/test_images.py::test_a_damaged_image_*": few(4),
    "cli/test_interference.py::*": few(4),
    "cli/test_virtualenv_spellings.py::test_an_ineffective_*": few(2),
    "cli/test_virtualenv_spellings.py::test_the_seeds_*": few(3),
    "cli/test_virtualenv_spellings.py::*": few(1),
    "cli/test_cache.py::*": few(1),
    "cli/test_terminal.py::test_colors_*": few(3),
    "cli/test_completion.py::test_the_tab_key_*": few(1),
    "cli/test_bill_of_materials.py::test_a_bill_is_valid": NONE,
    "cli/test_config.py::test_the_home_directory_*": few(1),
    "cli/test_config.py::test_a_value_that_toml_*": few(1),
    "cli/test_config.py::test_an_error_says_where_*": NONE,
    "cli/test_default_environment.py::test_the_recorded_command_*": NONE,
    "cli/test_bill_of_materials.py::test_what_prevents_*": NONE,
    "cli/test_config.py::test_every_warning_*": few(4),
    "cli/test_json.py::test_every_object_*": few(12),
    "cli/test_json.py::test_an_error_is_*": few(8),
    "test_hints.py::test_the_commands_in_a_printed_hint_*": few(12),
    "test_docs.py::test_every_key_*": few(6),
    "test_coming_from.py::test_an_environment_can_use_the_python_of_*": NONE,
    "test_coming_from.py::test_an_environment_of_conda_*": few(4),
    "discovery/test_hostile.py::test_an_executable_without_*": few(4),
    "advisories/test_cve_2024_53899.py::*": each("shell"),
    "plugins/test_observation.py::test_a_component_that_cannot_be_loaded_*": few(1),
    "plugins/test_observation.py::test_slow_finders_*": few(1),
    "plugins/test_observation.py::test_a_failure_that_is_only_*": few(2),
    "plugins/test_plugins_command.py::test_verbose_shows_load_times_*": NONE,
    "plugins/test_plan_cache.py::*": few(1),
    "plugins/test_new_plugin.py::test_a_new_plugin_loads_*": NONE,
    "plugins/test_observation.py::test_a_wrong_return_value_*": few(8),
    "plugins/test_commands.py::test_a_blocked_plugin_is_not_imported_*": few(4),
    # Pages that are followed step by step.
    "test_docs_work.py::test_the_instructions_of_a_page_work": few(4),
    # The validator of workflows reads large schemas.
    "test_recipes.py::test_the_settings_and_tasks_of_vs_code_work": NONE,
    "test_recipes.py::test_*workflow*": NONE,
    # Tests of the tests.
    "test_runs.py::test_every_case_is_in_one_run_*": NONE,
    "test_trees.py::test_a_failed_comparison_*": NONE,
}
"""The cases that the quick run keeps, by file, function and optionally fixture of a test; the first match decides."""


VERY_SLOW: dict[str, Choice] = {
    # Every build of Python, for what hardly depends on it.
    "integration/test_create.py::test_every_interpreter_*": few(10),
    "lifecycle/test_upgrade.py::test_the_file_of_distutils_*": few(3),
    "portable/test_interpreters.py::test_environments_can_*": few(3),
    "portable/test_interpreters.py::test_it_is_the_base_*": few(3),
    "portable/test_interpreters.py::test_it_works_from_any_path": each("base", "name"),
    "portable/test_interpreters.py::test_it_never_runs_*": each("base", "way"),
    "portable/test_interpreters.py::test_it_works_read_only_*": few(3),
    "portable/test_interpreters.py::test_its_modules_*": few(3),
    "portable/test_interpreters.py::test_no_file_names_*": few(3),
    "portable/test_libraries.py::test_an_environment_that_carries_*": few(3),
    "seeding/test_builds.py::test_a_failed_build_*": few(5),
    "seeding/test_builds.py::test_every_interpreter_*": few(5),
    "seeding/test_real_pips.py::test_pip_can_*": few(2),
    "targets/test_matrix.py::test_packages_installed_with_pip_work": few(4),
    "unit/test_programs.py::test_no_setting_*": few(12),
    # What takes long for each format, system call or locale.
    "lifecycle/test_nothing_is_lost.py::*": NONE,
    "packing/test_pack.py::test_a_full_disk_*": few(4),
    "packing/test_pack.py::test_an_archive_has_the_same_bytes_*": few(2),
    "packing/test_pack.py::test_other_programs_*": few(2),
    "packing/test_unlucky.py::test_a_signal_*": few(4),
    "shells/test_posix_shells.py::test_nothing_in_the_prompt_of_bash_runs_in_any_locale": few(1),
    "sweep/test_sweep.py::test_a_fault_*": few(11),
}
"""The cases that the quick run or the thorough run keeps; the others run at night. A test that is not listed keeps all cases."""


def mark_runs(items: Iterable[pytest.Item]) -> None:
    """Mark the cases that the quick run leaves out as `thorough` or `nightly`, whatever the order of the items."""
    by_day = [item for item in items if not any(map(item.get_closest_marker, ("nightly", "clients")))]
    for item in (very_slow := left_out(by_day, VERY_SLOW)):
        item.add_marker(pytest.mark.nightly)
    for item in left_out([item for item in by_day if item not in very_slow], SLOW):
        item.add_marker(pytest.mark.thorough)


def left_out(items: Iterable[pytest.Item], table: Mapping[str, Choice]) -> list[pytest.Item]:
    """Return the cases that a table does not keep."""
    tests: dict[str, list[pytest.Item]] = defaultdict(list)
    for item in items:
        tests[item.nodeid.partition("[")[0]].append(item)
    slow: list[pytest.Item] = []
    for cases in tests.values():
        name = name_of(cases[0])
        if choice := next((it for pattern, it in table.items() if pattern_matches(pattern, name, cases[0])), None):
            chosen = choice(sorted(cases, key=position))
            slow += [case for case in cases if case not in chosen]
    return slow


def name_of(item: pytest.Item) -> str:
    """Return file and function of a test, as in the tables: `shells/test_batch.py::test_contract`."""
    path = item.path.relative_to(HERE).as_posix() if HERE in item.path.parents else ""
    return f"{path}::{item.nodeid.partition('::')[2].partition('[')[0]}"


def pattern_matches(pattern: str, name: str, item: pytest.Item) -> bool:
    """Return whether a pattern matches a test; `shells/test_batch.py::* (cmd)` matches tests with the fixture `cmd`.

    :param name: the `name_of` the test.
    """
    file, _, fixture = pattern.partition(" (")
    return fnmatchcase(name, file) and fixture.rstrip(")") in ("", *getattr(item, "fixturenames", ()))


def position(item: pytest.Item) -> list[int]:
    """Return a sort key that gives the cases of a test in the order of their definition."""
    return list(item.callspec.indices.values()) if hasattr(item, "callspec") else []


def kinds(item: pytest.Item, names: Iterable[str]) -> set[tuple[str, Hashable]]:
    """Return the kinds of a case's parameter values.

    Each value is a kind of its own, except that pages in one directory, and checks with the same first word, share one.
    """
    found: set[tuple[str, Hashable]] = set()
    for name in names:
        if hasattr(item, "callspec") and name in item.callspec.params:
            value = item.callspec.params[name]
            if isinstance(value, Check):
                found.add((name, value.name.partition("-")[0]))
            elif isinstance(value, Path):
                found.add((name, value.parent))
            else:
                found.add((name, repr(value)))
    return found
