"""Held-out split: questions over Python's language reference, from the test half of the packaged set."""

QUESTIONS = r"""
How can I grab the first and last items of a list and collect everything in between in one line?
  = word order: first and last items → last and first items
  = synonyms: grab → get hold of
  ! scope: in one line → without creating a second list

Is it legal to use `yield from` inside an async def function?
  = reworded: May the body of an async def function contain `yield from`?
  = typos: Is it leagl to use `yield from` inside an async def functoin?
  ! identifiers: `yield from` → `yield`
  ! identifiers: an async def → a plain def

Which exception signals that an asynchronous iterator has no more values?
  = abbreviation: asynchronous → async
  = voice: By which exception is it signalled that an asynchronous iterator has no more values?
  ! antonyms: an asynchronous → a synchronous

What goes wrong if I evaluate a name that isn't bound to anything?
  = contraction: isn't → is not
  = kept negation: that isn't bound to anything → that is bound to nothing
  ! negation: that isn't bound to anything → that is bound to None
  ! topic: What goes wrong if I evaluate an attribute that isn't there?

Is __getattr__ called when the attribute is found in the usual way?
  = voice: Does Python call __getattr__ when the attribute is found in the usual way?
  = word order: When the attribute is found in the usual way, is __getattr__ called?
  ! identifiers: __getattr__ → __getattribute__
  ! negation: is found → is not found

Is property() a data descriptor or a non-data descriptor?
  = word order: a data descriptor or a non-data descriptor → a non-data descriptor or a data descriptor
  ! identifiers: property() → staticmethod()
  ! question word: Why is property() a data descriptor?

Which special method is tried first when an attribute is looked up?
  = nominalisation: Which special method is tried first during the lookup of an attribute?
  ! antonyms: looked up → deleted
  ! comparatives: first → last

How often is the target of an augmented assignment evaluated?
  = synonyms: How often → How many times
  ! topic: target of an augmented assignment → condition of a while loop
  ! question word: How often → When

What sign does the remainder have when I use % with negative numbers?
  = reworded: With negative operands, is the result of the modulo operator positive or negative?
  ! identifiers: % → math.fmod
  ! antonyms: negative numbers → positive numbers

Do &, ^ and | all have the same precedence?
  = punctuation: do &, ^, and | all have the same precedence
  = word order: &, ^ and | → |, ^ and &
  ! identifiers: &, ^ and | → *, / and %
  ! quantifiers: Do &, ^ and | all have the same precedence → Which of &, ^ and | has the highest precedence

How many Ellipsis objects are there?
  = reworded: What is the number of objects of the type of Ellipsis?
  ! topic: How many values are false in a Boolean context?
  ! question word: How many Ellipsis objects are there → What are Ellipsis objects there for

Which module has names for all the standard built-in types?
  = typos: Which moduel has names for all the standard bulit-in types?
  ! topic: standard built-in types → standard operators as functions

Which values are interpreted as false in a Boolean context?
  = voice: Which values does Python interpret as false in a Boolean context?
  = question form: List the values that are interpreted as false in a Boolean context.
  ! antonyms: false → true

What value does the for loop variable have after a break?
  = nominalisation: What is the value of the for loop variable after a break?
  ! direction: after a break → before the first pass
  ! scope: after a break → after looping over an empty list

What goes wrong if I pass the same argument both by position and by name?
  = word order: both by position and by name → both by name and by position
  = reworded: Which error comes of giving a value for one parameter twice, as positional and as keyword?
  ! direction: What goes wrong if I pass one argument by name and then another by position?

What type must the keys have when I unpack a mapping with ** in a call?
  = word order: When I unpack a mapping with ** in a call, what type must the keys have?
  ! scope: in a call → in a dict display
  ! topic: the keys → the values

Do all objects of a class see the same variable if I set it directly in the class body?
  = voice: Is the same variable seen by all objects of a class if I set it directly in the class body?
  ! scope: directly in the class body → on self in __init__

In the chained comparison x < y <= z, how many times is y evaluated?
  = synonyms: how many times → how often
  = voice: In the chained comparison x < y <= z, how many times does Python evaluate y?
  ! scope: In the chained comparison x < y <= z → In the expression x < y and y <= z

Can complex numbers be compared with < or >?
  = word order: < or > → > or <
  = nominalisation: Is the comparison of complex numbers with < or > possible?
  ! identifiers: < or > → == or !=
  ! topic: complex numbers → rational numbers

How do I attach an extra condition to a case clause?
  = synonyms: attach → add
  = politeness: Hi there! How do I attach an extra condition to a case clause, please?
  ! topic: to a case clause → to a list comprehension

What does the continue statement do?
  = nominalisation: What is the effect of the continue statement?
  = typos: What does the contiune statment do?
  ! identifiers: continue → break

What happens if __init__ returns something other than None?
  = kept negation: returns something other than None → returns something that isn't None
  = synonyms: What happens → What occurs
  ! negation: something other than None → None
  ! identifiers: __init__ → __new__
  ! identifiers: __init__ returns something other than None → __exit__ returns something other than None

How can __exit__ swallow an error so that it goes no further?
  = reworded: What must __exit__ return to suppress an exception?
  ! antonyms: How can __exit__ let an error pass so that it goes further?

What should the string returned by __repr__ ideally look like?
  = voice: What should the string that __repr__ returns ideally look like?
  ! identifiers: __repr__ → __str__

Which special method is called to create an instance before __init__ runs?
  = voice: Which special method does Python call to create an instance before __init__ runs?
  ! direction: Which special method is called to clean up an instance after __init__ ran?

How do I set a breakpoint that disappears once it has been reached?
  = reworded: What is the pdb command for a temporary breakpoint?
  ! negation: that disappears → that does not disappear
  ! antonyms: set a breakpoint that disappears once it has been reached → delete a breakpoint

What happens if I just press Enter at the (Pdb) prompt?
  = contraction: What happens → What'll happen
  ! identifiers: Enter → Ctrl-D
  ! scope: at the (Pdb) prompt → at the >>> prompt

If the same key is written twice in a dict display, which value is kept?
  = word order: Which value is kept if the same key is written twice in a dict display?
  = number words: twice → 2 times
  ! antonyms: kept → lost
  ! topic: If the same key → If the same value

Are free variables resolved at compile time or at run time?
  = word order: at compile time or at run time → at run time or at compile time
  = synonyms: resolved → looked up
  ! topic: free variables → future statements

Is it safe for my program to depend on the exact wording of an error message?
  = nominalisation: Is dependence of my program on the exact wording of an error message safe?
  ! topic: exact wording of an error message → type of an exception
  ! modality: Is it safe → Is it necessary

What is a code block in Python?
  = question form: Define a code block in Python.
  = punctuation: what is a code block in python
  ! topic: code block → code object

How do I write a tuple with a single item?
  = number words: a single item → 1 item
  = reworded: What is the notation for a one-element tuple?
  ! numbers: a single item → no items
  ! topic: tuple → set

Is the expression after `in` evaluated on every pass of a for loop?
  = voice: Does Python evaluate the expression after `in` on every pass of a for loop?
  ! scope: Is the body executed on every pass of a for loop?
  ! quantifiers: Is the expression after `in` evaluated at least once in a for loop?
  ! identifiers: Is the expression after `while` evaluated on every pass of a while loop?

How do I get literal curly braces in the output of str.format()?
  = synonyms: curly braces → curly brackets
  = reworded: How are { and } escaped in a format string?
  ! topic: curly braces → percent signs
  ! scope: str.format() → the % operator

Which alignment option centers a field in a format specification?
  = typos: centers → centres
  = voice: By which alignment option is a field centred in a format specification?
  ! antonyms: centers a field → right-aligns a field

Which parameters can only be passed by keyword?
  = kept negation: can only be passed by keyword → cannot be passed except by keyword
  ! quantifiers: can only be passed by keyword → can also be passed by keyword
  ! negation: can only be passed by keyword → can never be passed by keyword

May a name be used before its global statement in the same block?
  = voice: May I use a name before its global statement in the same block?
  ! direction: before → after

Where does the interactive interpreter keep the last evaluated result?
  = synonyms: keep → store
  = politeness: Sorry, newbie here. Where does the interactive interpreter keep the last evaluated result?
  ! topic: evaluated result → raised exception
  ! question word: Where → How long

Which Unicode normal form are identifiers converted to?
  = nominalisation: What is the Unicode normal form for the conversion of identifiers?
  = voice: Which Unicode normal form does Python convert identifiers to?
  ! topic: identifiers → string literals

How does a module declare which of its names a star import should bring in?
  = synonyms: declare → say
  ! topic: which of its names a star import should bring in → what help() should show about it

What may precede a from __future__ import line in a module?
  = reworded: Which things are allowed to stand above a from __future__ import?
  ! direction: precede → follow
  ! modality: may → must

Why is a number written as 0123 rejected?
  = voice: Why does Python reject a number written as 0123?
  ! identifiers: Why is a number written as 0o123 accepted?

In what order are the elements of a list display evaluated?
  = synonyms: In what order → In which sequence
  ! question word: In what order → How many times

Can methods refer directly to names defined in the class body?
  = voice: Can names defined in the class body be referred to directly by methods?
  ! scope: defined in the class body → defined at module level
  ! scope: directly → through self

Is the minus sign part of a numeric literal?
  = synonyms: part of → included in
  ! topic: minus sign → decimal point

Which method makes my number-like object usable as a slice bound or by hex()?
  = word order: as a slice bound or by hex() → by hex() or as a slice bound
  ! topic: as a slice bound or by hex() → as an argument of abs()

In CPython, what does the number returned by id(x) stand for?
  = voice: In CPython, what does the number that id(x) returns stand for?
  = nominalisation: In CPython, what is the meaning of the number returned by id(x)?
  ! identifiers: id(x) → hash(x)
  ! identifiers: id(x) → sys.getrefcount(x)

What does the pass statement do?
  = punctuation: What does the PASS statement do?!
  = question form: Explain what the pass statement does.
  ! identifiers: pass → del

What kind of number results from raising a negative number to a fractional power?
  = reworded: If a negative base has an exponent that is not whole, of which type is the result of **?
  ! antonyms: a negative number → a positive number
  ! topic: a fractional → an even

What does raise do with no expression when no exception is active?
  = kept negation: with no expression → without an expression
  ! negation: when no exception is active → when an exception is active

What becomes of the value in a return statement of a generator function?
  = synonyms: becomes of → happens to
  ! identifiers: return statement → yield statement
  ! scope: a generator function → __init__

Which method does reversed() look for on a container?
  = voice: Which method is looked for by reversed() on a container?
  ! identifiers: reversed() → sorted()
  ! identifiers: reversed() → len()

Which special method implements obj[key] = value?
  = nominalisation: Which special method is the implementation of obj[key] = value?
  ! identifiers: obj[key] = value → value = obj[key]
  ! identifiers: obj[key] = value → obj.key = value

What is a right shift by n bits defined as?
  = question form: Give the definition of a right shift by n bits.
  ! direction: right shift → left shift

What is used as the metaclass if a class has no bases and no explicit metaclass?
  = kept negation: has no bases and no explicit metaclass → has neither bases nor an explicit metaclass
  ! negation: no bases and no explicit metaclass → no bases but an explicit metaclass

What does str.partition() return if the separator is missing?
  = kept negation: is missing → isn't there
  ! identifiers: str.partition() → str.rpartition()
  ! negation: is missing → is found

What does str.find() return when nothing is found?
  = word order: When nothing is found, what does str.find() return?
  ! identifiers: find() → index()
  ! negation: nothing is found → something is found

Where does zfill() put the zeros when the string starts with a minus sign?
  = typos: Were does zfill() put the zeroes when the string starts with a minus sign?
  ! negation: starts with a minus sign → doesn't start with a sign

Can a raw string end with one backslash?
  = number words: one backslash → 1 backslash
  ! numbers: one backslash → two backslashes
  ! antonyms: end → begin

When does the else clause of a try statement run?
  = nominalisation: What is the condition for the execution of the else clause of a try statement?
  ! identifiers: else → finally
  ! identifiers: try → while

What becomes of a pending error if the cleanup block of a try returns?
  = reworded: If finally executes a return, is an exception that is under way still raised afterwards?
  ! negation: returns → doesn't return

Does Python have single-precision floats?
  = synonyms: single-precision floats → 32-bit floats
  ! antonyms: single-precision → double-precision

Can dict.get() ever raise KeyError?
  = voice: Can KeyError ever be raised by dict.get()?
  ! identifiers: dict.get() → dict.pop()

I saved the result of d.keys() earlier; does it notice entries added since?
  = reworded: Is a keys view that I stored up to date after the dictionary has grown?
  ! identifiers: d.keys() → list(d)

Is list.sort() stable?
  = nominalisation: Is stability a property of list.sort()?
  ! identifiers: list.sort() → heapq.heapify()

Does range(1000000) take up more memory than range(10)?
  = punctuation: range(1000000) → range(1_000_000)
  = voice: Is more memory taken up by range(1000000) than by range(10)?
  ! identifiers: Does list(range(1000000)) take up more memory than list(range(10))?

Why doesn't my_list.reverse() hand me back a flipped list?
  = contraction: Why does my_list.reverse() not hand me back a flipped list?
  ! identifiers: Why doesn't reversed(my_list) hand me back a flipped list?

What turns an ordinary function into a generator function?
  = voice: By what is an ordinary function turned into a generator function?
  ! direction: What turns a generator function into an ordinary function?
  ! topic: a generator function → a coroutine function

How many players are on a rugby union team?
  = synonyms: players are on → players are there on
  ! names: rugby union → rugby league

How long should I boil an egg so that the yolk stays soft?
  = reworded: What is the cooking time of a soft-boiled egg?
  ! antonyms: stays soft → becomes hard
  ! topic: boil → fry

How far is the Moon from the Earth?
  = word order: How far is the Earth from the Moon?
  = nominalisation: What is the distance between the Moon and the Earth?
  ! names: Moon → Sun
  ! comparatives: How much farther from the Earth is the Sun than the Moon?
"""
