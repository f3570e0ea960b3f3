# The simulator with MUTANT planted must stop with VIOLATION, twice at the same step,
# and say so with its exit status.
execute_process(COMMAND ${SIM} --seed 1 --rounds 2000 --mutant ${MUTANT}
  OUTPUT_VARIABLE said RESULT_VARIABLE status)
if(NOT status EQUAL 1)
  message(FATAL_ERROR "${MUTANT}: exit status ${status} instead of 1\n${said}")
endif()
if(NOT said MATCHES "violation: (${VIOLATION}): ")
  message(FATAL_ERROR "${MUTANT}: not found out as ${VIOLATION}\n${said}")
endif()
if(said MATCHES "the second time another")
  message(FATAL_ERROR "${MUTANT}: the replay is another\n${said}")
endif()
if(NOT said MATCHES "seed=[0-9]+ step=[0-9]+\n" OR NOT said MATCHES "violations=1 seconds=")
  message(FATAL_ERROR "${MUTANT}: the report lacks the seed, the step or the last line\n${said}")
endif()
