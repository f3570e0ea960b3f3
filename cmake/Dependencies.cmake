# Everything that fml stands on. tools/setup installs what is missing.
find_package(PkgConfig REQUIRED)
pkg_check_modules(JANSSON REQUIRED IMPORTED_TARGET jansson>=2.13)
pkg_check_modules(SODIUM REQUIRED IMPORTED_TARGET libsodium>=1.0.18)
pkg_check_modules(CRYPTO REQUIRED IMPORTED_TARGET libcrypto>=3.0)
pkg_check_modules(UV REQUIRED IMPORTED_TARGET libuv>=1.44)
pkg_check_modules(MOSQUITTO REQUIRED IMPORTED_TARGET libmosquitto>=2.0.11)
# 7.88: QUICK_EXIT (7.87), so that a name lookup that hangs never holds up a loop
pkg_check_modules(CURL REQUIRED IMPORTED_TARGET libcurl>=7.88)
pkg_check_modules(SQLITE REQUIRED IMPORTED_TARGET sqlite3>=3.37)
pkg_check_modules(CMOCKA REQUIRED IMPORTED_TARGET cmocka>=1.1.5)

# Wasmtime's C API: ours (built once, kept outside the build folder) or a given one.
set(wasmtime_root "${FML_WASMTIME_ROOT}")
if(NOT wasmtime_root)
  execute_process(COMMAND ${CMAKE_SOURCE_DIR}/tools/build-wasmtime
    OUTPUT_VARIABLE wasmtime_root OUTPUT_STRIP_TRAILING_WHITESPACE
    RESULT_VARIABLE wasmtime_failed)
  if(wasmtime_failed)
    message(FATAL_ERROR "Wasmtime's C API is missing; what to do stands above.")
  endif()
endif()
find_library(wasmtime_library NAMES fml_wasmtime wasmtime PATHS ${wasmtime_root}/lib
  NO_DEFAULT_PATH NO_CACHE)
if(NOT wasmtime_library OR NOT EXISTS ${wasmtime_root}/include/wasmtime/conf.h)
  message(FATAL_ERROR "${wasmtime_root} does not hold lib/libwasmtime and include/wasmtime/conf.h")
endif()
add_library(fml_wasmtime INTERFACE)
target_include_directories(fml_wasmtime SYSTEM INTERFACE ${wasmtime_root}/include)
target_link_libraries(fml_wasmtime INTERFACE ${wasmtime_library} m pthread dl)

# The guests' compiler. wasi-libc of Debian knows the triple wasm32-wasi only.
find_program(FML_WASM_CC NAMES clang-22 REQUIRED)
find_program(FML_GO NAMES go)
# Only the programs' tests need these; tools/setup makes the environment.
set(FML_PYTHON "" CACHE FILEPATH "Python with tests/requirements.txt installed")
if(DEFINED ENV{FML_PYTHON})
  set(FML_PYTHON "$ENV{FML_PYTHON}" CACHE FILEPATH "" FORCE)
endif()
