"""The explorer: every state that the real kernel can reach in a small world, and what must hold.

Nothing of the kernel is modelled. `tree` imports the kernel's own files, `embedding` builds a
kernel of them over a few services that have no state of their own, and takes, keeps and puts back
all the state there is. `choices` says what a service may do in a state, `events` what may happen
around the kernel, `state_checks` and `step_checks` what must hold, and `search` visits every state
breadth first, so that a trace to a violation is a shortest one. `traces` replays and shrinks one.
"""
