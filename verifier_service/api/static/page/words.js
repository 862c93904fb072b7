// What the service's words mean, said for people.

/** Where in a completion an answer is found; the order is the order of trust. */
export const RULES = {
  boxed: "the last \\boxed{…} of the answer",
  tag: "what stands in <answer>…</answer>",
  hashes: "what follows #### at the end",
  phrase: "a sentence such as “the answer is …”",
  last_line: "the last line, which is an answer by itself",
  last_number: "the last number of the text: the weakest sign of an answer",
};

export const LIMIT_WORDS = {
  time_limit_s: "CPU time",
  wall_limit_s: "Time on the clock",
  memory_limit_mb: "Memory",
  output_limit_kb: "Output",
  max_processes: "Processes",
};

/** How a verdict looks: its sign, and whether it is good, bad, neither. */
export const VERDICTS = {
  accepted: ["✓", "good", "Accepted"],
  wrong_answer: ["✕", "bad", "Wrong answer"],
  no_answer: ["∅", "bad", "No answer"],
  compile_error: ["✕", "bad", "Compile error"],
  runtime_error: ["✕", "bad", "Runtime error"],
  time_limit_exceeded: ["◷", "bad", "Time limit exceeded"],
  memory_limit_exceeded: ["▤", "bad", "Memory limit exceeded"],
  output_limit_exceeded: ["▤", "bad", "Output limit exceeded"],
  judge_error: ["!", "unsure", "Judge error"],
};

const OF_MATH = {
  accepted: "The answer equals the reference.",
  wrong_answer: "The answer was read, and it was not found to equal the reference.",
  no_answer: "The completion holds no answer that could be judged.",
  time_limit_exceeded: "Comparing the answer with the reference took too long.",
  memory_limit_exceeded: "Comparing the answer with the reference took too much memory.",
};

const OF_CODE = {
  accepted: "Every test passed.",
  wrong_answer: "The program ran, and did not do what a test asks for.",
  no_answer: "The completion holds no answer, or no code, that could be judged.",
  compile_error: "The program could not be compiled.",
  runtime_error: "The program ended with an error, or ended too early.",
  time_limit_exceeded: "The program used more CPU time, or waited longer, than allowed.",
  memory_limit_exceeded: "The program asked for more memory than allowed.",
  output_limit_exceeded: "The program wrote more than allowed.",
  judge_error: "Nothing may be concluded about the completion: the request cannot be judged, or the service failed.",
};

/** Return what a verdict means for a kind of submission. */
export const meaning = (kind, verdict) => (kind === "math" ? OF_MATH[verdict] : undefined) ?? OF_CODE[verdict] ?? "";

/** What the sandbox saw that may be worth a look. */
export const SIGNALS = {
  ended_early: "The program ended by itself while an answer was owed.",
  left_processes: "Processes of the program were alive when it had ended.",
  forbidden_system_call: "The kernel ended the program for a system call that no program may make.",
  tried_a_socket: "It sent or tried to send something over the network, of which there is none.",
  failed_line_up: "An operator of one of its classes affirmed a value that it had to deny.",
  failed_twin: "A test passed that had been changed so that it must fail.",
  passed_only_across_the_wall: "A test passed across the wall and failed in plain Python.",
};

export const GUARDS = {
  twins: "Changed copies of this test were seen to fail.",
  none: "Nothing in this test can be changed: it counts by its own word alone.",
};

/** What each part of the time is. */
export const PHASES = {
  queue_s: "waited for its turn",
  start_s: "its sandbox started",
  run_s: "it ran",
  judge_s: "its answers were compared",
};
