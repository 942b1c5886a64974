"""Held-out split: law, banking, company policy and software; written for this suite."""

QUESTIONS = r"""
Can a page be added to a will after it has been signed?
  = voice: Can I add a page to a will after it has been signed?
  = synonyms: added to → inserted into
  ! direction: after → before
  ! near words: will → bill
  ! topic: a page → a codicil

Must the employer give a reason for dismissal?
  = synonyms: Must the employer → Is the employer obliged to
  = nominalisation: Is there an obligation for the employer to give a reason for dismissal?
  ! modality: Must → May
  ! direction: Must the employee give a reason for resigning?
  ! tense: Must the employer give → Did the employer give

Is it illegal to record a phone call without consent?
  = synonyms: illegal → against the law
  = voice: Is it illegal if a phone call is recorded without consent?
  ! negation: without consent → with consent
  ! negation: illegal → legal
  ! topic: phone call → public concert

What is the penalty for driving at 70 km/h in a 50 zone?
  = unit spelling: 70 km/h → 70 kilometres per hour
  = reworded: How is a motorist punished who does 70 km/h where 50 is the limit?
  ! numbers: 70 → 120
  ! numbers: 50 zone → 30 zone
  ! question word: What is the penalty → Who pays the penalty

Does a buyer own the goods before they are paid for?
  = voice: Are the goods owned by a buyer before they are paid for?
  ! direction: before → after
  ! topic: a buyer → a hirer

Who inherits if there is no will?
  = kept negation: if there is no will → if there isn't a will
  = word order: If there is no will, who inherits?
  ! negation: there is no will → there is a will
  ! question word: Who inherits → What does it cost

Are non-residents taxed on foreign income?
  = reworded: Do people who don't live here pay tax on what they earn abroad?
  ! negation: non-residents → residents
  ! antonyms: foreign → domestic
  ! quantifiers: foreign income → all income, foreign or not

Can the court order the tenant to move out within two weeks?
  = unit spelling: two weeks → 14 days
  = voice: Can the tenant be ordered by the court to move out within two weeks?
  ! units: two weeks → two years
  ! direction: Can the tenant have the landlord ordered by the court to move out within two weeks?
  ! antonyms: move out → move in

Which contracts need a notary?
  = voice: For which contracts is a notary needed?
  = typos: Which contracs need a notery?
  ! negation: need → don't need
  ! near words: contracts → contacts
  ! quantifiers: Which contracts need → Do all contracts need

When does the new data protection act take effect?
  = synonyms: take effect → come into force
  = nominalisation: On what date does the new data protection act take effect?
  ! tense: does the new data protection act take effect → did the old data protection act take effect
  ! question word: When → Where

May the police search a car without a warrant?
  = voice: May a car be searched by the police without a warrant?
  = kept negation: without a warrant → if they have no warrant
  ! topic: a car → a flat
  ! negation: without → with
  ! modality: May the police → Must the police

Is the deadline 30 June 2026 at noon?
  = date format: 30 June 2026 → 2026-06-30
  = unit spelling: at noon → at 12:00 midday
  ! dates: 30 June 2026 → 30 July 2026
  ! numbers: at noon → at midnight

What is the notice period for a tenant who has lived here for 9 years?
  = number words: 9 → nine
  = synonyms: lived here for 9 years → been living here for 9 years
  ! numbers: 9 years → 9 months
  ! names: a tenant → a flatmate without a contract
  ! question word: What is the notice period for → Who has to give notice to

Am I liable for what my child breaks?
  = reworded: If my son or daughter damages something, does the law make me pay?
  ! direction: Is my child liable for what I break?
  ! topic: child → dog
  ! quantifiers: for what my child breaks → only for what my child breaks on purpose

Which loans can be repaid early without a penalty?
  = voice: Which loans can I repay early without a penalty?
  = kept negation: without a penalty → with no penalty
  ! negation: without → only with
  ! antonyms: early → late

How do I close my savings account?
  = question form: Tell me how to close my savings account.
  = synonyms: close → shut
  ! antonyms: close → open
  ! topic: savings → current
  ! question word: How do I close → Why did you close

Is interest charged on the first 500 euros of the overdraft?
  = unit spelling: 500 euros → EUR 500
  = voice: Do you charge interest on the first 500 euros of the overdraft?
  ! numbers: 500 → 5,000
  ! direction: Is interest paid to me on the first 500 euros in the account?
  ! quantifiers: on the first 500 euros → only above the first 500 euros

How much is 15% of 240?
  = number words: 15% → fifteen percent
  = synonyms: How much is → What is
  ! numbers: 15% → 1.5%
  ! numbers: 240 → 204
  ! identifiers: 15% of 240 → 240 minus 15%

Which fund performed better in 2025, A or B?
  = word order: A or B → B or A
  = date format: in 2025 → in the year 2025
  ! comparatives: better → worse
  ! dates: 2025 → 2024
  ! topic: performed better → was bigger

Was my payment of 5 April received?
  = date format: 5 April → April 5
  = voice: Did you receive my payment of 5 April?
  ! dates: 5 April → 4 May
  ! tense: Was my payment of 5 April received → When will my payment of 5 April be received
  ! direction: Was my payment → Was the refund to me

What is the limit for contactless payments without a PIN?
  = kept negation: without a PIN → when no PIN is entered
  = abbreviation: a PIN → a personal identification number
  ! negation: without → with

Are interns paid for public holidays?
  = voice: Do you pay interns for public holidays?
  = typos: Are intern's payed for public holidays?
  ! names: interns → contractors
  ! near words: interns → internists
  ! question word: Are interns paid → How much are interns paid

Is the bonus paid before the annual review?
  = voice: Do we pay the bonus before the annual review?
  ! direction: before → after
  ! near words: annual → biannual
  ! tense: Is the bonus paid → Was the bonus paid

How many sick days can I take without a doctor's note?
  = kept negation: without a doctor's note → if I bring no doctor's note
  = synonyms: a doctor's note → a medical certificate
  ! negation: without → with
  ! question word: How many → Which
  ! tense: can I take → have I taken

Do all managers have to approve their team's trips?
  = synonyms: trips → journeys
  = nominalisation: Is the approval of their team's trips a duty of all managers?
  ! direction: Do all teams have to approve their manager's trips?
  ! modality: have to approve → have the right to approve
  ! quantifiers: all managers → at least two managers

Can contractors use the gym on weekdays?
  = voice: Can the gym be used by contractors on weekdays?
  = reworded: Do freelancers who work for us have access to the fitness room from Monday to Friday?
  ! dates: on weekdays → at weekends
  ! quantifiers: contractors → only contractors
  ! names: contractors → pensioners

Is a laptop replaced every 3 years or every 4 years?
  = number words: every 3 years or every 4 years → every three years or every four years
  = word order: every 3 years or every 4 years → every 4 years or every 3 years
  ! topic: a laptop → a phone
  ! question word: Is a laptop replaced every 3 years or every 4 years → Who replaces a laptop every 4 years

Should I tell HR or my manager first that I am pregnant?
  = word order: HR or my manager → my manager or HR
  = contraction: I am → I'm
  = abbreviation: HR → human resources
  ! comparatives: first → last
  ! modality: Should I → Must I

What does the company pay towards childcare?
  = nominalisation: What is the company's contribution to childcare?
  ! direction: What do I pay the company towards childcare?
  ! topic: childcare → health care
  ! quantifiers: What does the company pay towards childcare → Does every company pay towards childcare

Who wrote the style guide that is used now?
  = voice: By whom was the style guide written that is used now?
  = synonyms: now → at present
  ! tense: is used now → was used before
  ! question word: Who wrote → Where is
  ! direction: Who uses the style guide that was written now?

Is smoking prohibited on the roof terrace?
  = kept negation: prohibited → not allowed
  = nominalisation: Is there a ban on smoking on the roof terrace?
  ! antonyms: prohibited → allowed
  ! topic: smoking → eating
  ! quantifiers: on the roof terrace → only on the roof terrace

How do I increase the font size in the editor?
  = synonyms: increase → enlarge
  = question form: Tell me how the font size in the editor is increased.
  ! antonyms: increase → decrease
  ! scope: in the editor → in the terminal
  ! topic: the font size → the line spacing

How do I convert a PDF to Word?
  = nominalisation: How does the conversion of a PDF to Word work?
  = abbreviation: Word → MS Word
  ! direction: How do I convert Word to a PDF?
  ! names: Word → Excel

Why does my phone charge slowly?
  = contraction: Why does my phone charge slowly → Why's my phone so slow to charge
  ! comparatives: slowly → faster than before
  ! antonyms: charge → discharge
  ! tense: does my phone charge → did my phone, before the update, charge

Can iOS 17 be installed on an iPhone X?
  = voice: Can I install iOS 17 on an iPhone X?
  = nominalisation: Is the installation of iOS 17 on an iPhone X possible?
  ! versions: iOS 17 → iOS 16
  ! names: iPhone X → iPhone XS

What is new in Python 3.13?
  = reworded: Which features did Python 3.13 bring that its predecessor lacked?
  = contraction: What is → What's
  ! versions: 3.13 → 3.3
  ! versions: 3.13 → 3.12
  ! antonyms: is new in → was removed in

Does the plugin run on WordPress 6.4?
  = synonyms: run on → work with
  = punctuation: does the plug-in run on wordpress 6.4
  ! versions: 6.4 → 4.6
  ! modality: Does the plugin run → Should the plugin run

Is TLS 1.2 still supported?
  = abbreviation: TLS 1.2 → Transport Layer Security 1.2
  = voice: Do you still support TLS 1.2?
  = punctuation: is tls 1.2 still supported
  ! versions: 1.2 → 1.0
  ! negation: still supported → not yet supported
  ! quantifiers: TLS 1.2 still → only TLS 1.2

Does library release 2.10 fix the bug that came with release 2.9?
  = abbreviation: release 2.10 → v2.10
  = voice: Is the bug that came with release 2.9 fixed by library release 2.10?
  ! versions: 2.10 → 2.1
  ! direction: Did library release 2.10 bring back the bug that release 2.9 fixed?
  ! question word: Does library release 2.10 fix → When will library release 2.10 fix

How do I upgrade from Node 18 to Node 20?
  = word order: from Node 18 to Node 20 → to Node 20 from Node 18
  = nominalisation: How does the upgrade from Node 18 to Node 20 work?
  ! antonyms: How do I downgrade from Node 20 to Node 18?
  ! versions: Node 20 → Node 22
  ! question word: How do I → Why should I

Which is newer, Android 9 or Android 10?
  = word order: Android 9 or Android 10 → Android 10 or Android 9
  = number words: Android 9 or Android 10 → Android nine or Android ten
  ! comparatives: newer → older
  ! versions: Android 10 → Android 8

Since which version has Java had records?
  = reworded: In which Java release were records introduced?
  ! names: Java → C#
  ! tense: Since which version has Java had → In which version will Java drop
  ! topic: records → lambdas

Can I run the installer as a user without admin rights?
  = kept negation: without admin rights → who has no admin rights
  = abbreviation: admin → administrator
  ! modality: Can I → Must I
  ! negation: without → with
  ! antonyms: installer → uninstaller

What does chmod 644 allow the group to do?
  = synonyms: allow → permit
  = typos: What does chmod 644 alow the gruop to do?
  ! numbers: 644 → 664
  ! topic: the group → the owner

How does git fetch differ from git pull?
  = word order: How does git pull differ from git fetch?
  = punctuation: how does "git fetch" differ from "git pull"
  ! identifiers: git fetch → git merge
  ! identifiers: git pull → git push

What does grep -v do?
  = question form: Explain grep -v.
  = nominalisation: What is the function of grep -v?
  ! identifiers: -v → -V
  ! identifiers: -v → -c

What does rm -r do that rm doesn't?
  = contraction: doesn't → does not
  ! identifiers: rm -r → rm -i
  ! direction: What does rm do that rm -r doesn't?

Why is x == y true when x is y is false?
  = synonyms: Why is → How come
  ! identifiers: Why is x is y true when x == y is false?
  ! question word: Why is → For which values is

Is the index created automatically when I add a foreign key in Oracle?
  = voice: Does Oracle create the index automatically when I add a foreign key?
  = word order: In Oracle, is the index created automatically when I add a foreign key?
  ! topic: foreign key → primary key
  ! names: Oracle → MySQL

How do I merge two branches without a merge commit?
  = number words: two → 2
  = kept negation: without a merge commit → so that there is no merge commit
  ! negation: without → with
  ! antonyms: merge two branches without a merge commit → split a branch in two

Can the server call the client back?
  = voice: Can the client be called back by the server?
  ! direction: Can the client call the server back?
  ! quantifiers: Can the server call all clients back at once?
  ! modality: Can the server → Should the server

How long are backups kept, at least?
  = voice: How long do you keep backups, at least?
  = synonyms: at least → at a minimum
  ! quantifiers: at least → at most
  ! question word: Where are backups kept?
  ! topic: backups → logs

How do I exclude a folder from the search index?
  = kept negation: exclude a folder from the search index → keep a folder out of the search index
  = nominalisation: How does the exclusion of a folder from the search index work?
  ! antonyms: exclude a folder from → include a folder in
  ! topic: search index → backup

Does the trial end automatically after 30 days?
  = number words: 30 → thirty
  = typos: Does the trial ennd automaticaly after 30 days?
  ! units: 30 days → 30 minutes
  ! antonyms: end automatically → go on automatically
  ! numbers: 30 → 13

Is user ID 1047 locked?
  = abbreviation: user ID → user identifier
  = politeness: Could you check, please: is user ID 1047 locked?
  ! identifiers: 1047 → 1074
  ! antonyms: locked → unlocked
  ! question word: Is user ID 1047 locked → Who locked user ID 1047

Who has read access to the folder Finance/2026?
  = reworded: Which people are able to look at what is in Finance/2026?
  ! topic: read → write
  ! identifiers: Finance/2026 → Finance/2025
  ! direction: Which folders does the group Finance/2026 have read access to?

Where's the form for a change of address?
  = contraction: Where's → Where is
  = politeness: Excuse me, where do I find the form for a change of address?
  ! topic: address → name
  ! question word: Where's the form → Who signs the form

When was the contract of 03/12/2025 (day first) drawn up?
  = date format: 03/12/2025 (day first) → 3 December 2025
  = synonyms: drawn up → drafted
  ! dates: 03/12/2025 (day first) → 12 March 2025
  ! antonyms: drawn up → cancelled
  ! question word: When → By whom

Why can't I open the attachment?
  = contraction: can't I → can I not
  = politeness: I can't open the attachment; would you be so kind as to tell me why?
  ! antonyms: open → close
  ! topic: open the attachment → send the attachment
  ! tense: can't I open → couldn't I, last week, open

Is there going to be a team day on the first Monday of June?
  = synonyms: Is there going to be → Will there be
  = politeness: Hi all, just wondering: is there going to be a team day on the first Monday of June?
  ! tense: Is there going to be → Was there
  ! dates: Monday → Tuesday
  ! numbers: first → second
"""
