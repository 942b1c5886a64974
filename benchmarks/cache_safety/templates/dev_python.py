"""Dev split: questions over Python's language reference, from the dev half of the packaged question set."""

QUESTIONS = r"""
Are assert checks still executed when Python runs with -O?
  = voice: Does Python still execute assert checks when it runs with -O?
  = reworded: If I start the interpreter with the -O flag, do assert statements still fire?
  ! negation: with -O → without -O
  ! identifiers: -O → -I

Are variable annotations inside a function body stored anywhere?
  = politeness: Out of curiosity, are variable annotations inside a function body stored anywhere?
  = synonyms: stored anywhere → kept anywhere
  ! scope: inside a function body → inside a class body

Does an async def function still count as a coroutine function if it never awaits anything?
  = kept negation: if it never awaits anything → if it doesn't await anything
  ! identifiers: an async def function → a generator function

Which names are treated as private names of a class?
  = question form: Tell me which names are treated as private names of a class.
  ! question word: Why are some names treated as private names of a class?

Do two literals with equal values always give the same object?
  = synonyms: always give → always yield
  = reworded: Is it guaranteed that I get one and the same object from two literals whose values are equal?
  ! quantifiers: always → ever

How do I stop instances from each carrying their own attribute dictionary, to save memory?
  = reworded: How can I keep objects from having a __dict__ each, so that they need less memory?
  ! antonyms: How do I let instances of a class with slots carry an attribute dictionary after all?

Which methods make up the descriptor protocol?
  = voice: Which methods is the descriptor protocol made up of?
  = typos: Which metods make up the descritor protocol?
  ! topic: descriptor → iterator

In a[i] += f(x), which is evaluated first: a[i] or f(x)?
  = word order: a[i] or f(x) → f(x) or a[i]
  ! identifiers: a[i] += f(x) → a[i] = f(x)
  ! comparatives: first → last

What does an await expression do?
  = typos: What does an awiat expresion do?
  = nominalisation: What is the effect of an await expression?
  ! identifiers: an await → a yield

What is the @ operator between two values meant for?
  = synonyms: meant for → intended for
  ! identifiers: @ → ^

How can I run a code object?
  = synonyms: run → execute
  = question form: Show me how to run a code object.
  ! topic: run → create

What do I get back from a function that never says what to give back?
  = reworded: What is the return value of a function without a return statement?
  ! scope: a function → a generator function

What does `name or 'anonymous'` give me when name is an empty string?
  = abbreviation: an empty string → an empty str
  = word order: When name is an empty string, what does `name or 'anonymous'` give me?
  ! identifiers: name or → name and
  ! negation: is an empty → is a non-empty

Which method lets me use an object of my class as though it were a function?
  = reworded: What do I have to define so that instances of my class can be called?
  ! topic: a function → an iterator

Are all arguments evaluated before the function is called?
  = voice: Does Python evaluate all arguments before it calls the function?
  = word order: Before the function is called, are all arguments evaluated?
  ! direction: before → after

What does a class inherit from if I list no base classes?
  = kept negation: if I list no base classes → if I don't list any base classes
  ! numbers: no base classes → two base classes

Does the _ pattern in a case clause bind a name?
  = synonyms: case clause → case block
  ! identifiers: _ pattern → x pattern

How many irrefutable case blocks may a match statement have?
  = synonyms: How many irrefutable case blocks are allowed in a match statement?
  ! antonyms: irrefutable → refutable

Where does the value bound by `as` in a with statement come from?
  = word order: In a with statement, where does the value bound by `as` come from?
  ! scope: in a with statement → in an except clause

Does del x directly call x.__del__()?
  = politeness: I'd like to know whether del x directly calls x.__del__(). Thanks!
  ! identifiers: Does del x[0] directly call x.__delitem__(0)?

I gave my class an __eq__ method and now its objects can't go into a set; why?
  = contraction: can't → cannot
  = reworded: Why are instances of my class no longer hashable after I defined __eq__?
  ! identifiers: __eq__ → __lt__

Which pdb command prints a stack trace?
  = typos: Wich pdb comand prints a stack trace?
  = punctuation: which PDB command prints a stack trace
  ! topic: a stack trace → the current line number

What is the difference between step and next in pdb?
  = word order: step and next → next and step
  = synonyms: What distinguishes step from next in pdb?
  ! identifiers: next → until

Which exception does del raise if the name is unbound?
  = voice: Which exception is raised by del if the name is unbound?
  ! scope: the name is unbound → the dictionary has no such key

For which uncaught exception does the interpreter print no traceback?
  = kept negation: Which uncaught exception makes the interpreter exit without printing a traceback?
  ! negation: print no traceback → print a traceback

Are underscores allowed in floating point literals?
  = abbreviation: floating point literals → float literals
  = punctuation: floating point → floating-point
  ! modality: allowed → required
  ! topic: underscores → spaces

If I reassign the loop counter in the body of a for, does that change the following pass?
  = reworded: Does assigning to the loop variable inside a for loop affect the next iteration?
  ! scope: the following pass → the rest of the current pass
  ! identifiers: the body of a for → the body of a while

When are decorator expressions evaluated?
  = voice: When does Python evaluate decorator expressions?
  ! question word: When → In which scope

How do I change a module-level variable from within a function?
  = synonyms: from within → from inside
  ! antonyms: change → read
  ! direction: How do I change a variable of a function from module level?

Is there a maximum length for identifiers?
  = reworded: Is the number of characters that an identifier may have limited from above?
  ! comparatives: maximum → minimum

What is the real part of an imaginary literal?
  = question form: Give me the real part of an imaginary literal.
  ! antonyms: real part → imaginary part

What do two leading dots mean in a relative import?
  = number words: two → 2
  = nominalisation: What is the meaning of two leading dots in a relative import?
  ! numbers: two leading dots → three leading dots

Is the empty string considered to be in every other string?
  = voice: Does Python consider the empty string to be in every other string?
  ! direction: Is every other string considered to be in the empty string?

How can an inner function rebind a variable of the function around it?
  = politeness: Quick question: how can an inner function rebind a variable of the function around it?
  ! direction: How can an outer function rebind a variable of the function inside it?

What should __add__ return if it doesn't support the other operand?
  = contraction: doesn't → does not
  ! negation: doesn't support → supports

Which operators group from right to left?
  = reworded: Which operators are right-associative?
  ! direction: from right to left → from left to right

How can I raise a new error without showing the one that led to it?
  = kept negation: without showing the one that led to it → so that the one that led to it is not shown
  ! negation: without showing → while still showing

Does the finally clause run when return is executed inside try?
  = word order: When return is executed inside try, does the finally clause run?
  ! identifiers: finally → else

What does a slice object hold for a bound that was left out?
  = synonyms: left out → omitted
  ! negation: was left out → was not left out

How do I chop a known ending off some text without stripping stray letters?
  = reworded: Which string method takes away a given suffix and nothing else?
  ! antonyms: ending → beginning

How many hex digits must follow \x in a string literal?
  = abbreviation: hex → hexadecimal
  ! identifiers: \x → \u

Can except and except* be mixed in one try statement?
  = word order: except and except* → except* and except
  = number words: one try → 1 try
  ! identifiers: except and except* → except and finally

Can a frozenset be a dictionary key?
  = abbreviation: dictionary → dict
  = synonyms: be a → serve as a
  ! topic: a frozenset → a set

Will looping over a dict give the keys in the order I added them?
  = nominalisation: Will iteration over a dict give the keys in the order I added them?
  ! scope: in the order I added them → in alphabetical order

Which item does list.pop() remove when called without arguments?
  = kept negation: without arguments → with no arguments
  = voice: Which item is removed by list.pop() when called without arguments?
  ! negation: without arguments → with the argument 0

What is ~x defined as for an integer?
  = politeness: Please tell me what ~x is defined as for an integer.
  ! identifiers: ~x → +x

How do I install a package with pip?
  = question form: Tell me how I can install a package with pip.
  ! antonyms: install → uninstall
  ! names: pip → conda

In which year was Python 1.0 released?
  = nominalisation: In which year did the release of Python 1.0 take place?
  ! versions: 1.0 → 2.0

Who painted The Night Watch?
  = voice: Who was The Night Watch painted by?
  ! names: The Night Watch → The Night Café
  ! question word: When was The Night Watch painted?

What is the difference between re.match and re.search?
  = word order: re.match and re.search → re.search and re.match
  ! identifiers: re.search → re.fullmatch

When is the best time to prune roses?
  = nominalisation: When is the best time for the pruning of roses?
  ! comparatives: best → worst
  ! topic: roses → apple trees
"""
