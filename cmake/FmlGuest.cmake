# Wasm modules (WASI preview 1 commands) from C, as part of the build.
#
#   fml_wasm_guest(trainer SOURCES main.c train.c INCLUDES ${dir} OPTIONS -Wno-foo LIBS m)
#
# compiles each source with FML_WASM_CC, links them to
# ${CMAKE_BINARY_DIR}/wasm/trainer.wasm and adds the target `trainer` to ALL.
# OUTPUT_NAME gives the file another name than the target. Sources are relative
# to the calling folder or absolute; headers are found through dependency files,
# so a changed header builds anew. The file's path is the target's property
# FML_WASM_FILE. Sanitizers and the host's flags have no part in this.

set(FML_WASM_DIR ${CMAKE_BINARY_DIR}/wasm)

function(fml_wasm_guest target)
  cmake_parse_arguments(G "" "OUTPUT_NAME" "SOURCES;INCLUDES;OPTIONS;LIBS" ${ARGN})
  if(NOT G_SOURCES OR G_UNPARSED_ARGUMENTS)
    message(FATAL_ERROR "fml_wasm_guest(${target}): SOURCES missing, or unknown: "
      "${G_UNPARSED_ARGUMENTS}")
  endif()
  if(NOT G_OUTPUT_NAME)
    set(G_OUTPUT_NAME ${target})
  endif()
  set(wasm ${FML_WASM_DIR}/${G_OUTPUT_NAME}.wasm)
  set(work ${FML_WASM_DIR}/${target}.dir)
  file(MAKE_DIRECTORY ${work})

  # clang 22 calls the triple deprecated, and Debian's wasi-libc has no other.
  set(machine --target=wasm32-wasi -Wno-deprecated --sysroot=/usr -O3 -msimd128)
  set(warnings -Wall -Wextra -Wshadow -Wstrict-prototypes -Wmissing-prototypes -Werror)
  set(includes ${G_INCLUDES})
  list(TRANSFORM includes PREPEND -I)
  set(libs ${G_LIBS})
  list(TRANSFORM libs PREPEND -l)

  set(objects "")
  foreach(source IN LISTS G_SOURCES)
    get_filename_component(source ${source} ABSOLUTE BASE_DIR ${CMAKE_CURRENT_SOURCE_DIR})
    list(LENGTH objects number) # two sources may share a name
    get_filename_component(stem ${source} NAME_WE)
    set(object ${work}/${number}_${stem}.o)
    add_custom_command(OUTPUT ${object}
      COMMAND ${FML_WASM_CC} ${machine} -std=gnu17 ${warnings} ${includes} ${G_OPTIONS}
        -MD -MF ${object}.d -MT ${object} -c ${source} -o ${object}
      DEPENDS ${source} DEPFILE ${object}.d VERBATIM
      COMMENT "Wasm ${target}: ${stem}.c")
    list(APPEND objects ${object})
  endforeach()
  add_custom_command(OUTPUT ${wasm}
    COMMAND ${FML_WASM_CC} ${machine} ${objects} ${libs} -Wl,--strip-debug -o ${wasm}
    DEPENDS ${objects} VERBATIM
    COMMENT "Wasm ${target}: linking")
  add_custom_target(${target} ALL DEPENDS ${wasm})
  set_target_properties(${target} PROPERTIES FML_WASM_FILE ${wasm})
endfunction()
