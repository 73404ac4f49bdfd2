"""The course's labs: what a hand-in has to do, and the grader (`make grade`)."""
