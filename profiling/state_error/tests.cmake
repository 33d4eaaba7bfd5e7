# state_error as a test: what its page says, of few tokens, and bad input.

add_test(NAME state_error.host COMMAND state_error --tokens 1024 --check)
add_test(NAME state_error.cuda COMMAND state_error --tokens 1024 --check --target cuda)
add_test(NAME state_error.rings.host COMMAND state_error --tokens 1024 --check --rings)
add_test(NAME state_error.rings.cuda
  COMMAND state_error --tokens 1024 --check --rings --target cuda)
set_tests_properties(state_error.host state_error.cuda state_error.rings.host
  state_error.rings.cuda PROPERTIES TIMEOUT 120)
set_tests_properties(state_error.cuda state_error.rings.cuda PROPERTIES
  SKIP_REGULAR_EXPRESSION "expected a CUDA device, got none")

# One line on stderr that has the text, nothing on stdout, a failure as exit status.
function(state_error_error name text)
  add_test(NAME state_error.error.${name}
    COMMAND ${CMAKE_COMMAND} "-DTEXT=${text}"
            -P ${PROJECT_SOURCE_DIR}/examples/serving_loop/tests/fails.cmake
            -- $<TARGET_FILE:state_error> ${ARGN})
endfunction()
state_error_error(tokens "--tokens: expected a multiple of --every" --tokens 100)
state_error_error(tokens_too_few "--tokens: expected a multiple of --every" --tokens 16)
state_error_error(every "--every: expected 2 .. 1024, got 1" --every 1)
state_error_error(every_of_rings "--every: expected 2 .. 64 beside --rings, got 128"
                  --every 128 --rings)
state_error_error(every_of_check "--every: expected 16 beside --check, got 8" --every 8 --check)
state_error_error(target "--target: expected host or cuda, got 'gpu'" --target gpu)
state_error_error(json "--json: expected a file that can be written" --json absent/errors.json)
state_error_error(option "--token" --token 3)
