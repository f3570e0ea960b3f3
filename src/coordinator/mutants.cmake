# Planted bugs: a source with one mistake each, which a test must find.
#
#   planted(SOURCE TEST NAME "text of the source" "what is there instead")
#
# A text that is not there any more stops the configuration.
set_property(DIRECTORY APPEND PROPERTY CMAKE_CONFIGURE_DEPENDS drive.c carry.c privacy.c)

function(planted file test name right wrong)
  file(READ ${file} whole)
  string(REPLACE "${right}" "${wrong}" text "${whole}")
  if(text STREQUAL whole)
    message(FATAL_ERROR "mutant ${name}: ${file} does not hold\n${right}")
  endif()
  set(source ${CMAKE_CURRENT_BINARY_DIR}/mutant_${name}.c)
  file(CONFIGURE OUTPUT ${source} CONTENT "${text}" @ONLY) # written only when it differs
  set(target coordinator_mutant_${name})
  add_executable(${target} ${test} test_world.c kill_points.c ${source})
  target_include_directories(${target} PRIVATE ${FML_SEE}/coordinator)
  target_link_libraries(${target} PRIVATE fml_coordinator PkgConfig::CMOCKA)
  add_test(NAME coordinator/mutant_${name} COMMAND ${target})
  set_tests_properties(coordinator/mutant_${name} PROPERTIES LABELS unit TIMEOUT 120
    WILL_FAIL TRUE ENVIRONMENT ASAN_OPTIONS=detect_leaks=0)
endfunction()

macro(mutant name right wrong)
  planted(drive.c experiment_crash_test.c ${name} "${right}" "${wrong}")
endmacro()

macro(mutant_of_carry name right wrong)
  planted(carry.c asynchronous_crash_test.c ${name} "${right}" "${wrong}")
endmacro()

macro(mutant_of_privacy name right wrong)
  planted(privacy.c privacy_crash_test.c ${name} "${right}" "${wrong}")
endmacro()

mutant_of_privacy(noise_is_drawn_anew_after_a_restart
  "    enum status status = read_noise(c, e, &noise);
    if (status == ST_OK)
        round_add_noise"
  "    (void)c;
    enum status status = draw(round_protection(e->round), &noise);
    if (status == ST_OK)
        round_add_noise")
mutant_of_privacy(nothing_is_debited_after_a_restart
  "    if (!is_ours(privacy_of(e)))
        return ST_OK;"
  "    e->debited = true;
    if (!is_ours(privacy_of(e)))
        return ST_OK;")
mutant_of_privacy(what_is_debited_is_not_kept
  "        status = write_account(c, model_of(e), &account);"
  "        status = account.releases == 0 ? write_account(c, model_of(e), &account) : ST_OK;")
mutant_of_carry(counted_ones_are_carried
  "        round_awaited(e->round, from->participants, from->participant_count, k.participants);"
  "        from->participant_count;
    memcpy(k.participants, from->participants, k.participant_count * sizeof k.participants[0]);")
mutant_of_carry(staleness_is_not_counted
  "return e->complete.has_version ? 1 : 0;"
  "return e->complete.has_version ? 0 : 0;")
mutant_of_carry(rounds_are_over_too_soon
  "if (next == NULL || !goes_on_with(next, round))"
  "if (next == NULL || goes_on_with(next, round) || true)")
mutant_of_carry(what_comes_between_rounds_is_refused
  "return another_comes ? NULL : last;"
  "return another_comes ? last : last;")
mutant(nothing_remembered
  "    keep_memory(c, e);
    if (is_closed(c))"
  "    (void)keep_memory;
    if (is_closed(c))")
mutant(remembered_in_a_later_transaction
  "    keep_memory(c, e);
    if (is_closed(c))"
  "    flush(c, now_ms);
    keep_memory(c, e);
    if (is_closed(c))")
mutant(start_published_before_it_is_kept
  "    send_text(c, FL_ROUND_START, text);"
  "    send_message(c, &(struct mqtt_message){.topic = FL_ROUND_START, .payload = view_text(text)});
    free(text);")
mutant(row_not_kept
  "store_add_row(c->store, &row->experiment_id, row->round, text)"
  "ST_OK")
