# Planted bugs: store.c with one mistake each, which store_fault_test must find.
#
#   mutant(NAME "text of store.c" "what is there instead")
#
# A text that is not there any more stops the configuration.
set_property(DIRECTORY APPEND PROPERTY CMAKE_CONFIGURE_DEPENDS store.c)
file(READ store.c store)

function(mutant name right wrong)
  string(REPLACE "${right}" "${wrong}" text "${store}")
  if(text STREQUAL store)
    message(FATAL_ERROR "mutant ${name}: store.c does not hold\n${right}")
  endif()
  set(source ${CMAKE_CURRENT_BINARY_DIR}/mutant_${name}.c)
  file(CONFIGURE OUTPUT ${source} CONTENT "${text}" @ONLY) # written only when it differs
  set(target model_server_mutant_${name})
  add_executable(${target} store_fault_test.c ${source})
  target_include_directories(${target} PRIVATE ${FML_SEE}/model_server)
  target_link_libraries(${target} PRIVATE fml_model_server PkgConfig::CMOCKA)
  add_test(NAME model_server/mutant_${name} COMMAND ${target})
  set_tests_properties(model_server/mutant_${name} PROPERTIES LABELS unit TIMEOUT 120
    WILL_FAIL TRUE ENVIRONMENT ASAN_OPTIONS=detect_leaks=0)
endfunction()

mutant(record_before_bytes
  "status = write_new(path, v, bytes, &made);
    if (status != ST_OK)
        return status;
    status = record(s, v, &unchanged);"
  "status = record(s, v, &unchanged);
    if (status != ST_OK)
        return status;
    status = write_new(path, v, bytes, &made);")
mutant(bytes_taken_from_under_the_index
  "if (status != ST_OK && made && unchanged)"
  "if (status != ST_OK && made)")
mutant(bytes_deleted_before_the_record
  "status = record_deletions(s, chosen, what);"
  "status = record_deletions(s, chosen, what);
    for (size_t i = 0; i < s->count; i++) {
        char gone[PATH_MAX];
        if (chosen[i] && path_of(s, &s->versions[i], gone) == ST_OK)
            (void)remove(gone);
    }")
mutant(failed_move_stays
  "s->channels[u->moved] = u->channel;"
  "(void)u;")
