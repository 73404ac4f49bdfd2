/* The kill protocol between dispatcher, tick, hard lines and scheduled callbacks.
 *
 * What the explorer cannot see lies between two instructions of the kernel. Here each statement is
 * one store or test of a kernel word, in the order of the code named beside it, and an interrupt
 * may come before every one. `make verify` has spin visit all states;
 * `tests/sim/test_kill_protocol.py` fires the tick and a hard line before every store of the code.
 *
 * One processor. Main runs compiled code, in which only hardware interrupts come between two
 * instructions, and bytecode, where at a branch a pending exception is raised, or else a scheduled
 * callback runs, not inside another. The tick is a hardware interrupt. A hard line may interrupt
 * all others, the tick too.
 *
 * Time is left out: a budget may end at any moment while ARMED. So are values and queues.
 *
 * GUEST      what the services run above is a program with a Ctrl-C, not the kernel's own loop
 * LIVE       no bound on ticks: for the claim `ends`, that a struck step ends
 * Mistakes for the model's own test, each of which must be found:
 * LATE_DISARM  `enter_interrupt_level` looks at STRUCK before it clears ARMED
 * NO_PAD       a step that was struck and answers is not padded
 * LOOK_BARE    `look` goes on with a kill pending
 * NO_DOOM      who was stopped while preempted goes on as if it had not been
 * ONCE         a step that was struck is not struck again
 */
#define NOBODY 0    /* the kernel, or the guest */
#define HOG 1
#define IMPORTANT 2

#ifndef TICKS
#define TICKS 3     /* strikes of the tick, where they are bounded */
#endif
#ifndef HARDS
#define HARDS 2     /* firings of the hard line */
#endif
#ifndef STEPS
#define STEPS 3     /* of HOG, or returns to the guest */
#endif
#define STRIKES_MAX 2

/* Words of the kernel. */
byte armed, struck, running, outer;
bool stopped, masked;
/* The interpreter: a pending exception, the queue of callbacks, whether one runs. */
bool pend, sched, looks, locked;
/* `Port.strike`, which a hard line may interrupt and then call itself. */
bool striking, again;
bool was_reset;
byte isr, below;    /* 0 main, 1 tick, 2 hard line; and what the hard line interrupted */
byte ticks, hards;
bool has_moved = true;  /* bytecode has come to a branch since the last tick: LIVE asks for that */

/* Ghosts: whom the pending exception is meant for, and whether a struck step still runs. */
byte meant;
bool is_operators, is_struck, is_ended, is_done;

#define M (isr == 0 && !was_reset)

/* A branch of bytecode that is not a task's: the kernel's, a driver's, a callback's. */
#define CLEAN assert(!pend)

/* A kill is raised in the bytecode of a task: it must be the one it was meant for. */
inline land_in_task() {
    assert(running == meant);
    pend = false;
    has_moved = true
}

/* `Port.pad`, with ARMED 0 or in an interrupt: nothing but a hard line comes in between. */
inline pad(result) {
    if
    :: pend -> pend = false; result = true
    :: else -> result = false
    fi
}

/* `Port.strike`. */
inline strike(level) {
    atomic { isr == level -> again = true }
    do
    :: atomic { isr == level && again && !striking -> striking = true; again = false }
       atomic { isr == level -> pend = true; meant = running }
       atomic { isr == level -> striking = false }
    :: atomic { isr == level && !(again && !striking) -> break }
    od
}

/* `rp2_tick.tick`. Another comes only when this one has returned. */
proctype Tick() {
    bool landed;
    do
#ifdef LIVE
    :: atomic { M && armed && running && has_moved -> isr = 1; has_moved = false }
#else
    :: atomic { M && ticks < TICKS -> isr = 1; ticks++ }
#endif
       if :: sched = true :: looks = true :: skip fi;   /* request, look_soon */
       if
       :: isr == 1 && armed && running ->
          if
          :: isr == 1 && !struck -> skip                /* the budget is not over */
#ifdef ONCE
          :: isr == 1 && struck -> skip
          :: isr == 1 && !struck ->
#else
          :: isr == 1 ->
#endif
             landed = false;
             if
             :: struck -> pad(landed)                   /* "it was caught", or comes late */
             :: else
             fi;
             if
             :: atomic { isr == 1 && !landed -> struck++; is_struck = true }
             :: isr == 1 && landed
             fi;
             if
             :: isr == 1 && struck > STRIKES_MAX -> was_reset = true; is_struck = false
             :: isr == 1 && struck <= STRIKES_MAX
             fi;
             strike(1)
          fi
       :: isr == 1 && !(armed && running)
       fi;
       atomic { isr == 1 -> isr = 0; has_moved = has_moved || !pend }
#ifndef LIVE
    :: ticks >= TICKS -> break
#endif
    :: was_reset -> break
    od
}

/* `hard_handler` of rp2_lines, with `Attendant.step`. */
proctype Hard() {
    bool landed;
    do
    :: atomic { hards < HARDS && isr < 2 && !was_reset -> below = isr; isr = 2; hards++ }
       if
       :: masked                                        /* it is as if it had not come */
       :: !masked ->
          masked = true;
          pad(landed);
          CLEAN;                                        /* the driver's bytecode */
          if :: masked = false :: skip fi;              /* it acknowledges, or not */
          if :: sched = true :: skip fi;                /* it has notified */
          if
          :: landed -> strike(2)
          :: else
          fi
       fi;
       isr = below
    :: hards >= HARDS || was_reset -> break
    od
}

bool died, got;

/* `levels.land`: a step has raised. */
inline land(task) {
    atomic { M -> armed = 0 }
    if
    :: atomic { M && struck -> pad(got) }               /* struck again as it unwound */
    :: atomic { M && !struck }
    fi;
    atomic { M -> struck = 0; is_struck = false }
    CLEAN;                                              /* `fault`, and all that follows */
    if
    :: atomic { M && is_ended && task == HOG -> is_ended = false }
    :: atomic { M && !(is_ended && task == HOG) }
    fi
}

/* The end of a step in `dispatch`, with a trap. */
inline answer(task) {
    atomic { M -> skip }                                /* ARMED is ANSWERED: not 0 */
    atomic { M -> armed = 0 }
    if
    :: atomic { M && struck }
#ifndef NO_PAD
       ; atomic { M -> pad(got) }
#endif
       ; CLEAN;                                         /* `overrun` is bytecode */
       atomic { M -> struck = 0; is_struck = false };
       if
       :: atomic { M && is_ended && task == HOG -> is_ended = false }
       :: atomic { M && !(is_ended && task == HOG) }
       fi
    :: atomic { M && !struck -> assert(!(is_ended && task == HOG)) }
    fi;
    CLEAN                                               /* a trap's handler */
}

/* Bytecode of a task on top of which nothing runs: branches until it raises or answers. */
inline on_top() {
    died = false;
    do
    :: atomic { M && pend -> land_in_task() };
       if :: atomic { M -> died = true }; break :: M fi /* it may catch it */
    :: atomic { M && !pend -> died = true }; break      /* it raises by itself */
    :: atomic { M -> break }
    od
}

byte saved;
bool ctrl_c;

/* `levels.enter_interrupt_level`, with one step of IMPORTANT, which may stop HOG. */
inline enter() {
    atomic { M -> sched = false }
#ifdef LATE_DISARM
    if
    :: atomic { M && (armed == 0 || struck) -> saved = 0 }
    :: atomic { M && !(armed == 0 || struck) -> saved = armed }
    fi;
    atomic { M && saved -> armed = 0 } unless { M && !saved };
    if
    :: atomic { M && !saved }
    :: atomic { M && saved };
#else
    atomic { M -> saved = armed }
    atomic { M -> armed = 0 }
    if
    :: atomic { M && (saved == 0 || struck) -> armed = saved }
    :: atomic { M && !(saved == 0 || struck) };
#endif
       atomic { M -> outer = running }
       if
       :: atomic { M && outer == NOBODY -> pad(ctrl_c); stopped = stopped || ctrl_c }
       :: atomic { M && outer }
       fi;
       CLEAN;
       if
       :: atomic { M -> running = IMPORTANT }
          atomic { M -> armed = 1 }
          on_top();
          if
          :: atomic { M && died } land(IMPORTANT)
          :: atomic { M && !died } answer(IMPORTANT)
          fi;
          if :: atomic { M && outer == HOG -> is_ended = true } :: M fi
       :: M
       fi;
       if
       :: atomic { M && struck -> pad(got); struck = 0; is_struck = false }
       :: atomic { M && !struck }
       fi;
       if
#ifdef NO_DOOM
       :: atomic { M && is_ended }
#else
       :: atomic { M && is_ended -> struck = 1; is_struck = true }
#endif
       :: atomic { M && !is_ended }
       fi;
       atomic { M -> running = outer; outer = NOBODY }
       if
       :: atomic { M && running == NOBODY && stopped ->
                   stopped = false; pend = true; meant = NOBODY; is_operators = true }
       :: atomic { M && !(running == NOBODY && stopped) }
       fi;
       atomic { M -> armed = saved }
    fi
}

/* `Port.look`, from the interpreter's queue. */
byte kept;
bool kept_kill;
inline look() {
    atomic { M -> looks = false }
    atomic { M -> kept = armed }
    atomic { M -> armed = 0 }
#ifndef LOOK_BARE
    if
    :: atomic { M && struck -> armed = kept }
    :: atomic { M && !struck -> pad(kept_kill) };
#else
    if
    :: atomic { M && false }
    :: atomic { M -> kept_kill = false };
#endif
       CLEAN;                                           /* `_look` is bytecode */
       atomic { M -> armed = kept }
       if
       :: atomic { M && kept_kill -> pend = true; meant = running }
       :: atomic { M && !kept_kill }
       fi
    fi
}

/* A branch at which nothing is pending: callbacks, one after the other, none inside another. */
inline callbacks() {
    if
    :: atomic { M && !pend && sched && !locked -> locked = true }; enter(); M -> locked = false
    :: atomic { M && !pend && looks && !locked -> locked = true }; look(); M -> locked = false
    fi
}

/* The main level: steps of HOG. A line that its driver has left masked is asked for again. */
proctype Services() {
    byte steps;
    do
    :: M && steps < STEPS ->
       steps++;
       assert(!struck && !pend && !is_ended);
       if :: masked = false :: skip fi;
       atomic { M -> running = HOG }
       atomic { M -> armed = 1 }
       died = false;
       do
       :: atomic { M && pend -> land_in_task() };
          if :: atomic { M -> died = true }; break :: M fi
       :: callbacks()
#ifndef LIVE
       :: M -> skip                                     /* no branch for a while */
#endif
       :: atomic { M && !pend -> died = true }; break
       :: atomic { M -> break }
       od;
       if
       :: atomic { M && died } land(HOG)
       :: atomic { M && !died } answer(HOG)
       fi
    :: M && steps < STEPS -> was_reset = true           /* a soft reset, between two steps */
    :: steps >= STEPS || was_reset -> break
    od;
    is_done = true
}

/* A guest's program: armed, with no task running. A Ctrl-C is the interpreter's own callback. */
proctype Guest() {
    byte rounds, keys;
    atomic { running = NOBODY; armed = 1 }
    do
    :: M && rounds < STEPS ->
       rounds++;
       if
       :: atomic { M && pend -> assert(meant == NOBODY && is_operators); pend = false;
                   is_operators = false }               /* the program gets it */
       :: atomic { M && !pend && keys < 2 && !locked ->
                   keys++; pend = true; meant = NOBODY; is_operators = true };
          if                                            /* in the same branch, `enter` */
          :: atomic { M && sched -> locked = true }; enter(); M -> locked = false
          :: M
          fi
       :: callbacks()
       :: M -> skip
       fi;
       assert(!struck && running == NOBODY)
    :: rounds >= STEPS || was_reset -> break
    od;
    is_done = true
}

/* Nobody can go on only where the steps are made, or the board is reset: never a silent hang. */
proctype Watch() {
    timeout -> assert(is_done || was_reset)
}

init {
    atomic {
#ifdef GUEST
        run Guest();
#else
        run Services();
#endif
        run Watch();
        run Tick();
        run Hard()
    }
}

#ifdef LIVE
ltl ends { [] (is_struck -> <> !is_struck) }
#endif
