# The layering law, held by the compiler.
#
#   fml_module(model USES base SOURCES tensor.c file.c TESTS tensor_test.c LINKS m)
#
# makes the static library fml_model from src/model. Its include path is one
# folder, made here, that holds one link for src/model itself and one for each
# folder in USES: an include of anything else does not exist for the compiler.
# USES may only name folders that were defined before, so no cycle can form.
# The law is not transitive: who includes model/ and base/ names both.
#
#   fml_program(fml-manager MODULE manager MAIN main.c)
#
# makes a program from a module of the same folder plus one file with main().

set(FML_SEE ${CMAKE_BINARY_DIR}/see)

function(fml_see name)
  set(dir ${FML_SEE}/${name})
  file(MAKE_DIRECTORY ${dir})
  foreach(folder IN LISTS ARGN)
    file(CREATE_LINK ${CMAKE_SOURCE_DIR}/src/${folder} ${dir}/${folder} SYMBOLIC)
  endforeach()
  # A folder that was allowed once and is no longer must vanish.
  file(GLOB links RELATIVE ${dir} ${dir}/*)
  foreach(link IN LISTS links)
    if(NOT link IN_LIST ARGN)
      file(REMOVE ${dir}/${link})
    endif()
  endforeach()
endfunction()

function(fml_module name)
  cmake_parse_arguments(M "" "" "USES;SOURCES;TESTS;LINKS" ${ARGN})
  foreach(folder IN LISTS M_USES)
    if(NOT TARGET fml_${folder})
      message(FATAL_ERROR "src/${name} USES ${folder}, which is not defined before it")
    endif()
  endforeach()
  fml_see(${name} ${name} ${M_USES})

  add_library(fml_${name} STATIC ${M_SOURCES})
  target_include_directories(fml_${name} PRIVATE ${FML_SEE}/${name})
  list(TRANSFORM M_USES PREPEND fml_ OUTPUT_VARIABLE uses)
  target_link_libraries(fml_${name} PUBLIC fml_flags ${uses} ${M_LINKS})

  foreach(test IN LISTS M_TESTS)
    get_filename_component(stem ${test} NAME_WE)
    set(target ${name}_${stem})
    add_executable(${target} ${test})
    target_include_directories(${target} PRIVATE ${FML_SEE}/${name})
    target_link_libraries(${target} PRIVATE fml_${name} PkgConfig::CMOCKA)
    add_test(NAME ${name}/${stem} COMMAND ${target} WORKING_DIRECTORY ${CMAKE_SOURCE_DIR})
    set_tests_properties(${name}/${stem} PROPERTIES LABELS unit TIMEOUT 120)
  endforeach()
endfunction()

function(fml_program program)
  cmake_parse_arguments(P "" "MODULE;MAIN" "" ${ARGN})
  add_executable(${program} ${P_MAIN})
  target_include_directories(${program} PRIVATE ${FML_SEE}/${P_MODULE})
  target_link_libraries(${program} PRIVATE fml_${P_MODULE})
  set_target_properties(${program} PROPERTIES RUNTIME_OUTPUT_DIRECTORY ${CMAKE_BINARY_DIR}/bin)
  install(TARGETS ${program} RUNTIME DESTINATION bin)
endfunction()
