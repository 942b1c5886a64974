"""Practice split: office, phones, shells, databases, JavaScript, services; written for this suite."""

QUESTIONS = r"""
How do I freeze the first row of a spreadsheet?
  = question form: I'm looking for a way to freeze the first row of a spreadsheet.
  = voice: How is the first row of a spreadsheet frozen?
  = typos: How do I freez the frist row of a spredsheet?
  ! antonyms: freeze → unfreeze
  ! comparatives: first → last
  ! topic: row → column

What does VLOOKUP return if it finds no match?
  = kept negation: if it finds no match → if it doesn't find a match
  = voice: What is returned by VLOOKUP if no match is found?
  = nominalisation: What is the return value of VLOOKUP if it finds no match?
  ! identifiers: VLOOKUP → XLOOKUP
  ! negation: if it finds no match → if it finds a match
  ! quantifiers: no match → several matches

Which keyboard shortcut pastes text without its formatting?
  = question form: Keyboard shortcut for pasting text without its formatting?
  = kept negation: without its formatting → with its formatting left out
  = politeness: Which keyboard shortcut pastes text without its formatting? I'd be grateful for a hint.
  ! negation: without → with
  ! antonyms: pastes → cuts

Does `npm ci` delete the node_modules folder before installing?
  = word order: Before installing, does `npm ci` delete the node_modules folder?
  = voice: Is the node_modules folder deleted by `npm ci` before installing?
  = reworded: Is node_modules wiped first when I run `npm ci`?
  ! identifiers: `npm ci` → `npm i`
  ! direction: before → after
  ! identifiers: node_modules → dist

What's new in Node.js 20 compared with Node.js 18?
  = contraction: What's → What is
  = kept negation: What does Node.js 20 have that Node.js 18 doesn't?
  = word order: Compared with Node.js 18, what's new in Node.js 20?
  ! versions: 20 → 22
  ! direction: What did Node.js 18 have that is gone from Node.js 20?

Can I go back from PostgreSQL 16 to 15 without making a dump?
  = abbreviation: PostgreSQL → Postgres
  = synonyms: go back → downgrade
  = question form: Is there any way of going back from PostgreSQL 16 to 15 without making a dump?
  ! direction: from PostgreSQL 16 to 15 → from PostgreSQL 15 to 16
  ! versions: 16 to 15 → 16.2 to 16.1
  ! names: PostgreSQL → Keycloak

Which ports have to be open for SMTP?
  = abbreviation: SMTP → the Simple Mail Transfer Protocol
  = reworded: What are the ports that I must not block if SMTP is to work?
  = question form: ports needed open for SMTP?
  ! near words: SMTP → SNMP
  ! modality: have to be → are usually
  ! antonyms: open → closed

How do I make a script executable on Linux?
  = word order: On Linux, how do I make a script executable?
  = question form: Show me how a script is made executable on Linux.
  = typos: How do I make a scirpt excecutable on Linux?
  ! antonyms: make a script executable → stop a script from being executable
  ! names: Linux → Windows
  ! near words: executable → exportable

What is the difference between TCP and UDP?
  = word order: TCP and UDP → UDP and TCP
  = nominalisation: How does TCP differ from UDP?
  = contraction: What is → What's
  ! names: UDP → SCTP
  ! question word: What is the difference between → When do I have to choose between

How can I delete a branch that hasn't been merged?
  = contraction: hasn't → has not
  = kept negation: a branch that hasn't been merged → an unmerged branch
  = voice: How can a branch that hasn't been merged be deleted?
  ! negation: hasn't → has
  ! topic: branch → pull request
  ! near words: delete → detect

Are hidden files included in the backup?
  = voice: Does the backup include hidden files?
  = abbreviation: included → incl.
  = politeness: Are hidden files included in the backup? Thank you!
  ! antonyms: hidden → visible
  ! quantifiers: Are hidden files → Are only hidden files
  ! tense: Are hidden files → Were hidden files

I can't connect to the printer over Wi-Fi. What should I check?
  = contraction: can't → cannot
  = kept negation: I can't connect → I'm unable to connect
  = reworded: Connecting to the printer over Wi-Fi fails. Which things do I need to look at?
  ! topic: over Wi-Fi → over USB
  ! negation: I can't → I can
  ! near words: printer → pointer

How many users may be logged in at the same time on the Basic plan?
  = synonyms: at the same time → simultaneously
  = reworded: On the Basic plan, to how many is the number of concurrently logged-in users limited?
  = word order: On the Basic plan, how many users may be logged in at the same time?
  ! names: Basic → Pro
  ! scope: be logged in at the same time → be registered
  ! modality: may → must

How long are log files kept before they are deleted?
  = nominalisation: How long are log files kept before deletion?
  = voice: How long do you keep log files before you delete them?
  = contraction: before they are deleted → before they're deleted
  ! near words: log files → blog files
  ! question word: How long → Where
  ! comparatives: How long are log files kept → Are log files kept longer than backups

How do I mute all notifications except those from my boss?
  = kept negation: except → other than
  = synonyms: mute → silence
  = question form: mute all notifications except those from my boss – how?
  ! negation: all notifications except those → no notifications except those
  ! antonyms: mute → unmute
  ! direction: from my boss → to my boss

Which phones get Android 15?
  = question form: List the phones that get Android 15.
  = voice: Which phones is Android 15 delivered to?
  = punctuation: which phones get android 15
  ! versions: 15 → 14
  ! negation: get → don't get
  ! tense: get Android 15 → already had Android 15 last year

Can a tab be dragged from one window to another?
  = voice: Can I drag a tab from one window to another?
  = nominalisation: Is the dragging of a tab from one window to another possible?
  = typos: Can a tab be draged from one windwo to an other?
  ! scope: from one window to another → from one computer to another
  ! modality: Can a tab be → Should a tab be
  ! near words: tab → tag

What does the flag --no-cache of docker build do?
  = nominalisation: What effect does the flag --no-cache of docker build have?
  = politeness: Hey folks, what does the flag --no-cache of docker build do?
  = typos: Waht does the falg --no-cache of docker build do?
  ! identifiers: --no-cache → --cache-from
  ! names: docker build → pip install
  ! question word: Why does the flag --no-cache of docker build slow it down?

Is a variable declared with `let` block-scoped in JavaScript?
  = abbreviation: JavaScript → JS
  = word order: In JavaScript, is a variable declared with `let` block-scoped?
  = punctuation: is a variable declared with let block scoped in javascript
  ! identifiers: `let` → `var`
  ! negation: declared with `let` → declared without `let`

Does UNION keep duplicates in SQL?
  = voice: Are duplicates kept by UNION in SQL?
  = word order: In SQL, does UNION keep duplicates?
  = politeness: Could somebody tell me whether UNION keeps duplicates in SQL?
  ! identifiers: UNION → UNION ALL
  ! topic: duplicates → the order of rows

How do I convert a JSON file to YAML?
  = nominalisation: How does the conversion of a JSON file to YAML work?
  = question form: Give me instructions for converting a JSON file to YAML.
  = reworded: I have a JSON file that I want as YAML. What do I need to do?
  ! direction: How do I convert a YAML file to JSON?
  ! names: YAML → TOML
  ! near words: convert → compare

Why does the app crash when I rotate the phone?
  = nominalisation: Why does a rotation of the phone make the app crash?
  = word order: When I rotate the phone, why does the app crash?
  = abbreviation: the app → the application
  ! question word: Why does the app crash → Where can I report that the app crashes
  ! direction: when I rotate → before I even rotate
  ! near words: rotate → root

What's the default timeout of a request, in seconds?
  = contraction: What's → What is
  = unit spelling: in seconds → in s
  = word order: In seconds, what's the default timeout of a request?
  ! comparatives: default → longest possible
  ! units: in seconds → in milliseconds
  ! topic: a request → a session

Under which licence was version 2.0 of the library published?
  = synonyms: published → released
  = abbreviation: version 2.0 → v2.0
  = nominalisation: What licence applied to the publication of version 2.0 of the library?
  ! versions: 2.0 → 3.0
  ! question word: Under which licence → At what date
  ! tense: was version 2.0 of the library published → will version 2.0 of the library be published

Do webhooks retry if the server answers with status 500?
  = word order: If the server answers with status 500, do webhooks retry?
  = synonyms: answers with → responds with
  = reworded: Are webhooks sent again in case the server's answer has the status 500?
  ! identifiers: 500 → 400
  ! negation: answers with → doesn't answer with
  ! numbers: retry → retry more than 5 times

How can I see who edited a page?
  = voice: How can I see who a page was edited by?
  = nominalisation: How can I see who made the edits to a page?
  = contraction: who edited a page → who's edited a page
  ! question word: who edited → when somebody edited
  ! tense: who edited → who is editing
  ! near words: edited → audited

How do I roll back after an upgrade to Windows 11 24H2?
  = nominalisation: How does a rollback work after an upgrade to Windows 11 24H2?
  = synonyms: roll back → return to the previous state
  = punctuation: how do i roll back after an upgrade to windows 11 24h2??
  ! versions: 24H2 → 23H2
  ! direction: How do I upgrade to Windows 11 24H2 after a rollback?

How many rows can a sheet have at most?
  = reworded: What's the greatest number of rows that fit into a sheet?
  = abbreviation: at most → max.
  = nominalisation: What limit is there to the number of rows in a sheet?
  ! comparatives: at most → at least
  ! topic: rows → rules

Does deleting the app also delete my data?
  = nominalisation: Does the deletion of the app also delete my data?
  = voice: Is my data also deleted by deleting the app?
  = synonyms: Does deleting the app → Does uninstalling the app
  ! direction: Does deleting my data also delete the app?
  ! scope: my data → my data on other devices
  ! quantifiers: my data → everybody's data

How many bytes does a 64-bit integer occupy?
  = voice: How many bytes are occupied by a 64-bit integer?
  = abbreviation: integer → int
  = synonyms: occupy → take up
  ! numbers: 64-bit → 32-bit
  ! units: bytes → decimal digits

How do I set up a VPN on my phone?
  = word order: set up a VPN → set a VPN up
  = abbreviation: VPN → virtual private network
  = politeness: How do I set up a VPN on my phone, if you don't mind my asking?
  ! names: my phone → my router
  ! antonyms: set up → remove
  ! question word: How do I → What do I gain if I

When does support for version 3.4 end?
  = nominalisation: When is the end of support for version 3.4?
  = kept negation: From when is version 3.4 no longer supported?
  = abbreviation: version 3.4 → v3.4
  ! versions: 3.4 → 4.3
  ! antonyms: end → begin
  ! tense: When does support for version 3.4 end → Has support for version 3.4 already ended

Is the plugin already compatible with release 8.1?
  = synonyms: release 8.1 → version 8.1
  = question form: I'm wondering whether the plugin is already compatible with release 8.1.
  = nominalisation: Is there already compatibility of the plugin with release 8.1?
  ! versions: 8.1 → 8.10
  ! negation: already compatible → no longer compatible
  ! antonyms: compatible with → in conflict with

Which migrations does an upgrade from version 1.9 to version 2.1 run?
  = voice: Which migrations are run by an upgrade from version 1.9 to version 2.1?
  = abbreviation: version 1.9 to version 2.1 → v1.9 to v2.1
  = politeness: Hello again, which migrations does an upgrade from version 1.9 to version 2.1 run?
  ! versions: 1.9 → 2.0
  ! versions: 2.1 → 3.1
  ! quantifiers: Does an upgrade from version 1.9 to version 2.1 run every migration?

How do I list the files that were changed after 15 June 2024?
  = date format: 15 June 2024 → 2024-06-15
  = date format: 15 June 2024 → 15/06/2024
  = synonyms: changed → modified
  = voice: How are the files listed that were changed after 15 June 2024?
  ! direction: after → before
  ! dates: 15 June → 15 July
  ! near words: changed → charged

Why doesn't `git stash` save untracked files?
  = contraction: doesn't `git stash` save → does `git stash` not save
  = voice: Why aren't untracked files saved by `git stash`?
  = kept negation: doesn't `git stash` save → does `git stash` leave out
  ! identifiers: `git stash` → `git stash -u`
  ! antonyms: untracked → tracked
  ! scope: untracked files → ignored files

Must every field of the form be filled in?
  = word order: Must every field of the form be filled in → Must I fill every field of the form in
  = reworded: Are all of the form's fields mandatory?
  = synonyms: be filled in → be completed
  ! quantifiers: every field → any field
  ! modality: Must → Can
  ! tense: Must every field of the form be → Was every field of the form

How much does storage of 50 GB cost per month?
  = nominalisation: What is the monthly cost of storage of 50 GB?
  = unit spelling: 50 GB → 50 gigabytes
  = politeness: How much does storage of 50 GB cost per month? Just curious.
  ! units: per month → per year
  ! numbers: 50 → 500
  ! units: GB → TB

Was the outage of 8 Feb 2025 caused by a bug?
  = voice: Did a bug cause the outage of 8 Feb 2025?
  = date format: 8 Feb 2025 → 2025-02-08
  = date format: 8 Feb 2025 → 8 February 2025
  = reworded: Was a bug the reason for the outage of 8 Feb 2025?
  ! direction: Did the outage of 8 Feb 2025 cause a bug?
  ! dates: 8 Feb → 18 Feb
  ! near words: bug → bot

Why shouldn't passwords be stored in plain text in the config file?
  = contraction: shouldn't passwords be → should passwords not be
  = abbreviation: config → configuration
  = voice: Why shouldn't we store passwords in plain text in the config file?
  ! topic: passwords → comments
  ! question word: Why shouldn't passwords be → Where are passwords

How many seats are there in plan Team-10?
  = typos: How many seets are their in plan Team-10?
  ! identifiers: Team-10 → Team-100
  ! quantifiers: How many seats → How many free seats
  ! tense: are there → were there originally

Does version 6 run on Python 3.9?
  = punctuation: does version 6 run on python 3.9
  ! versions: 3.9 → 3.8
  ! versions: 6 → 5
  ! negation: run → no longer run
  ! modality: Does version 6 run → Must version 6 run

What is the meaning of exit code 137?
  = politeness: Hi! Quick one: what is the meaning of exit code 137?
  ! identifiers: 137 → 139
  ! topic: exit code 137 → port 137
  ! question word: What is the meaning → What are the consequences
  ! near words: exit → edit

Which fields are required in version 2 of the form?
  = punctuation: Which fields are required, in version 2 of the form
  ! versions: version 2 → version 3
  ! modality: required → optional
  ! quantifiers: Which fields are → Are all fields
  ! tense: are required → were once required

Is the 8:15 build run every weekday?
  = number words: 8:15 → quarter past eight
  = voice: Do they run the 8:15 build every weekday?
  ! numbers: 8:15 → 8:50
  ! quantifiers: every weekday → only on some weekdays
  ! dates: weekday → Sunday
  ! negation: run every → skipped every

Where do I turn off read receipts?
  = word order: turn off read receipts → turn read receipts off
  = synonyms: turn off → disable
  = question form: Turn off read receipts – where?
  ! antonyms: turn off → turn on
  ! near words: read receipts → recent receipts
  ! question word: Where → Why

It's the server and not the client that closes the connection, isn't it?
  = contraction: It's the server → It is the server
  = voice: The connection is closed by the server and not by the client, isn't it?
  = reworded: It's the server and not the client that → The server rather than the client
  ! direction: It's the client and not the server that closes the connection, isn't it?
  ! antonyms: closes → opens
  ! negation: and not the client → as well as the client

Who can't see the channel until an admin lets them in?
  = kept negation: Who can see the channel only once an admin lets them in?
  = contraction: can't → cannot
  = voice: Who can't see the channel until they are let in by an admin?
  ! negation: can't see the channel until → can see the channel before
  ! near words: channel → panel
  ! direction: Which channel can't an admin see until they are let in?

What is a lock file used for?
  = nominalisation: What is the use of a lock file?
  = contraction: What is → What's
  = voice: What does one use a lock file for?
  ! near words: lock file → log file
  ! question word: What is a lock file used for → How large is a lock file
  ! tense: is a lock file used → was a lock file formerly used

List every API call that needs no token.
  = question form: Which API calls need no token?
  = kept negation: that needs no token → that doesn't need a token
  = reworded: I want all the API calls for which a token isn't necessary.
  ! negation: needs no token → needs a token
  ! topic: API call → admin command
  ! modality: needs no token → must not be sent a token

Only admins can delete a project, right?
  = reworded: Is deleting a project reserved for admins?
  = kept negation: Only admins → Nobody but admins
  = voice: A project can only be deleted by admins, right?
  ! scope: Admins can only delete a project, right?
  ! quantifiers: Only admins → All admins
  ! antonyms: delete → restore
  ! identifiers: a project → project-7

Where are the settings that control the keyboard layout?
  = reworded: that control → controlling
  = voice: Where are the settings by which the keyboard layout is controlled?
  = synonyms: control → govern
  ! near words: layout → lights
  ! question word: Where are → How many are
  ! direction: Where are the keyboard shortcuts that open the settings?

Does the session expire if I'm idle for half an hour?
  = number words: half an hour → 30 minutes
  = nominalisation: Does the session expire after half an hour of my being idle?
  = contraction: I'm → I am
  ! negation: I'm idle → I'm not idle
  ! numbers: half an hour → three and a half hours
  ! comparatives: half an hour → less than half an hour
"""
