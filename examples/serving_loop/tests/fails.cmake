# cmake -DTEXT=... -P fails.cmake -- COMMAND...: passes if the command fails with one line on stderr
# that has TEXT, and without a word on stdout.

set(command)
set(is_command FALSE)
math(EXPR last "${CMAKE_ARGC} - 1")
foreach(i RANGE ${last})
  if(is_command)
    list(APPEND command "${CMAKE_ARGV${i}}")
  elseif("${CMAKE_ARGV${i}}" STREQUAL "--")
    set(is_command TRUE)
  endif()
endforeach()

execute_process(COMMAND ${command} RESULT_VARIABLE status OUTPUT_VARIABLE out ERROR_VARIABLE err)
string(FIND "${err}" "${TEXT}" at)
string(REGEX MATCHALL "\n" lines "${err}")
list(LENGTH lines line_count)
if(NOT status EQUAL 1 OR at EQUAL -1 OR NOT line_count EQUAL 1 OR NOT out STREQUAL "")
  message(FATAL_ERROR "status ${status}, expected 1 and one line with: ${TEXT}\n${err}${out}")
endif()
