# cmake -DPROGRAM=... -DFOLDER=... -P repeats.cmake: two equal runs report the same but for times.

foreach(run first second)
  set(file ${FOLDER}/repeats_${run}.json)
  execute_process(
    COMMAND ${PROGRAM} --target host --stochastic-rounding --seed 7 --json ${file}
    OUTPUT_QUIET COMMAND_ERROR_IS_FATAL ANY)
  file(READ ${file} text)
  string(JSON steps GET "${text}" steps)
  string(JSON tokens GET "${text}" tokens)
  string(JSON buckets LENGTH "${text}" buckets)
  if(steps LESS 1 OR tokens LESS steps OR buckets LESS 2)
    message(FATAL_ERROR "${steps} steps, ${tokens} tokens and ${buckets} buckets in ${file}")
  endif()
  string(JSON ${run} REMOVE "${text}" time)
endforeach()

string(JSON same EQUAL "${first}" "${second}")
if(NOT same)
  message(FATAL_ERROR "two runs differ:\n${first}\n${second}")
endif()
