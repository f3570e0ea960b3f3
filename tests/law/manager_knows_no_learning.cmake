# The manager launches and forwards; what a round or a model is stands only in
# its rules, which are data.
file(GLOB sources ${ROOT}/src/manager/*.c ${ROOT}/src/manager/*.h)
list(FILTER sources EXCLUDE REGEX "_test\\.c$")
list(LENGTH sources count)
if(count LESS 5)
  message(FATAL_ERROR "only ${count} sources were found: the check looks in the wrong place")
endif()
foreach(source IN LISTS sources)
  file(STRINGS ${source} hits REGEX "fl/|fml/|[Hh]yperparam|[Ff]ed[Aa]vg|num_samples|ROUND_ID|MODEL_URI|k_of_n|gradient")
  if(hits)
    message(SEND_ERROR "${source} speaks of learning: ${hits}")
  endif()
endforeach()
