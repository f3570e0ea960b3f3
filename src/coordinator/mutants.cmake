# Planted bugs: drive.c with one mistake each, which experiment_crash_test must find.
#
#   mutant(NAME "text of drive.c" "what is there instead")
#
# A text that is not there any more stops the configuration.
set_property(DIRECTORY APPEND PROPERTY CMAKE_CONFIGURE_DEPENDS drive.c)
file(READ drive.c drive)

function(mutant name right wrong)
  string(REPLACE "${right}" "${wrong}" text "${drive}")
  if(text STREQUAL drive)
    message(FATAL_ERROR "mutant ${name}: drive.c does not hold\n${right}")
  endif()
  set(source ${CMAKE_CURRENT_BINARY_DIR}/mutant_${name}.c)
  file(CONFIGURE OUTPUT ${source} CONTENT "${text}" @ONLY) # written only when it differs
  set(target coordinator_mutant_${name})
  add_executable(${target} experiment_crash_test.c test_world.c kill_points.c ${source})
  target_include_directories(${target} PRIVATE ${FML_SEE}/coordinator)
  target_link_libraries(${target} PRIVATE fml_coordinator PkgConfig::CMOCKA)
  add_test(NAME coordinator/mutant_${name} COMMAND ${target})
  set_tests_properties(coordinator/mutant_${name} PROPERTIES LABELS unit TIMEOUT 120
    WILL_FAIL TRUE ENVIRONMENT ASAN_OPTIONS=detect_leaks=0)
endfunction()

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
