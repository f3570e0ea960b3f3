# One place for warnings, hardening and sanitizers. Every module links it.
add_library(fml_flags INTERFACE)
target_compile_options(fml_flags INTERFACE
  -Wall -Wextra -Wshadow -Wconversion -Wstrict-prototypes -Wmissing-prototypes
  -D_GNU_SOURCE -Wvla -Wundef -Wformat=2 -Werror -fno-common)

# Asserts guard against our own mistakes and stay on in release.
string(REPLACE "-DNDEBUG" "" CMAKE_C_FLAGS_RELEASE "${CMAKE_C_FLAGS_RELEASE}")
string(REPLACE "-DNDEBUG" "" CMAKE_C_FLAGS_RELWITHDEBINFO "${CMAKE_C_FLAGS_RELWITHDEBINFO}")

if(FML_SANITIZE)
  target_compile_options(fml_flags INTERFACE
    -fsanitize=address,undefined -fno-sanitize-recover=undefined -fno-omit-frame-pointer)
  target_link_options(fml_flags INTERFACE -fsanitize=address,undefined)
elseif(CMAKE_BUILD_TYPE MATCHES "Rel")
  target_compile_options(fml_flags INTERFACE
    -fstack-protector-strong -fPIE $<$<NOT:$<CONFIG:Debug>>:-D_FORTIFY_SOURCE=2>)
  target_link_options(fml_flags INTERFACE -pie -Wl,-z,relro,-z,now)
endif()
