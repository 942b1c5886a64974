"""Dev split: law, software, banking and company policy; written for this suite."""

QUESTIONS = r"""
Can I return the shoes without the receipt?
  = kept negation: without the receipt → if I don't have the receipt
  = nominalisation: Is a return of the shoes possible without the receipt?
  ! negation: without → with
  ! topic: return → exchange

How many days do I have to cancel a contract that I signed online?
  = reworded: What is the cooling-off period for an agreement made over the internet?
  = politeness: Sorry to bother you, but how many days do I have to cancel a contract that I signed online?
  ! scope: signed online → signed in a shop
  ! antonyms: cancel → renew

May a landlord raise the rent within 12 months of the last increase?
  = number words: 12 → twelve
  = voice: May the rent be raised by a landlord within 12 months of the last increase?
  ! antonyms: raise → lower
  ! numbers: 12 months → 36 months
  ! comparatives: within 12 months of → more than 12 months after

Who has to pay for repairs, the tenant or the landlord?
  = word order: the tenant or the landlord → the landlord or the tenant
  ! question word: How soon must the landlord see to repairs?
  ! tense: Under the old law, who had to pay for repairs, the tenant or the landlord?

Is a typed will valid if there were no witnesses?
  = kept negation: if there were no witnesses → if there weren't any witnesses
  = synonyms: typed → typewritten
  ! negation: there were no witnesses → there were witnesses
  ! topic: typed → handwritten

Does a minor need a parent's consent to sign a contract?
  = nominalisation: Is a parent's consent a necessity for a minor to sign a contract?
  ! near words: minor → miner
  ! topic: sign a contract → buy a sandwich

Does the seller have to inform the buyer of known defects?
  = voice: Does the buyer have to be informed of known defects by the seller?
  = typos: Does the seler have to inform the buyer of known defets?
  ! direction: Does the buyer have to inform the seller of known defects?
  ! antonyms: known → unknown

When did the amendment of 14 March 2019 come into force?
  = date format: 14 March 2019 → 2019-03-14
  ! dates: 14 March 2019 → 14 May 2019
  ! question word: When did → Why did
  ! antonyms: come into force → cease to apply

Are all employees entitled to parental leave?
  = reworded: Does everybody who works here have a right to time off after the birth of a child?
  = question form: I'd like to find out if all employees are entitled to parental leave.
  ! quantifiers: all employees → any employees on probation
  ! scope: parental leave → parental leave at full pay

How many days of holiday do I get after 5 years of service?
  = number words: 5 → five
  = word order: After 5 years of service, how many days of holiday do I get?
  ! numbers: 5 years → 15 years
  ! units: 5 years → 5 months
  ! direction: after 5 years → before 5 years

Can unused leave be carried over to next year?
  = voice: Can I carry unused leave over to next year?
  = typos: Can unused leave be caried over to next yaer?
  ! direction: to next year → from last year
  ! modality: Can → Must
  ! quantifiers: unused leave → all unused leave

Must I book business travel through the agency?
  = synonyms: Must I → Do I have to
  = voice: Must business travel be booked through the agency?
  ! modality: Must I → May I
  ! scope: business travel → business travel under 50 euros

Who approves expense claims above 500 euros?
  = unit spelling: 500 euros → €500
  = voice: By whom are expense claims above 500 euros approved?
  ! antonyms: above → below
  ! numbers: 500 → 5,000
  ! topic: approves → submits

What happens if I don't complete the security training?
  = contraction: don't → do not
  = kept negation: if I don't complete → if I fail to complete
  ! negation: if I don't complete → if I complete
  ! topic: security → first-aid

Can I work from home on more than 2 days a week?
  = number words: 2 → two
  = abbreviation: work from home → WFH
  ! comparatives: more than → fewer than
  ! tense: Can I work → Before the new policy, could I work

Is overtime paid or compensated with time off?
  = word order: Is overtime compensated with time off or paid?
  = punctuation: is overtime paid, or compensated with time off
  ! scope: overtime → overtime on Sundays

Was the canteen open during the renovation?
  = politeness: Do you happen to know if the canteen was open during the renovation?
  ! tense: Was the canteen open → Will the canteen be open
  ! antonyms: open → closed

How do I enable two-factor login?
  = synonyms: enable → switch on
  = abbreviation: two-factor login → 2FA
  = question form: Walk me through enabling two-factor login.
  ! antonyms: enable → disable
  ! topic: two-factor login → automatic login

How do I import contacts from Outlook into Gmail?
  = synonyms: import → bring
  = reworded: What steps copy the address book that I have in Outlook over to Gmail?
  ! direction: from Outlook into Gmail → from Gmail into Outlook
  ! topic: contacts → calendars

Which version of Ubuntu comes with Python 3.11 by default?
  = word order: By default, which version of Ubuntu comes with Python 3.11?
  ! versions: 3.11 → 3.1
  ! names: Ubuntu → Fedora

What changed between version 4.2 and version 5.0 of the API?
  = abbreviation: version 4.2 and version 5.0 → v4.2 and v5.0
  = nominalisation: What are the changes between version 4.2 and version 5.0 of the API?
  ! versions: 4.2 → 4.0
  ! versions: 5.0 → 5.1

Why can't I log in after the update to version 7.3?
  = contraction: Why can I not log in after the update to version 7.3?
  = kept negation: Why can't I log in → Why am I unable to log in
  ! versions: 7.3 → 7.13
  ! direction: after → before

Is the library compatible with CUDA 12.1?
  = synonyms: compatible with → usable with
  = punctuation: is the library compatible with cuda 12.1
  ! versions: 12.1 → 11.2
  ! topic: compatible with → shipped with

How do I file a complaint with the council?
  = nominalisation: How does the filing of a complaint with the council work?
  = typos: How do I file a complant with the counsil?
  ! near words: complaint → compliment
  ! near words: council → consul

What's the deadline for objections to the assessment?
  = contraction: What's → What is
  = reworded: Until when may I object to the assessment?
  ! near words: assessment → assignment
  ! question word: What's the deadline → What's the right form

Does the app work without an internet connection?
  = kept negation: without an internet connection → if there is no internet connection
  = reworded: Can I use the program offline?
  ! negation: without → only with
  ! tense: Does the app work → Will the next release of the app work

What is the maximum size of an attachment in MB?
  = abbreviation: maximum → max
  = unit spelling: MB → megabytes
  ! units: MB → KB
  ! comparatives: maximum → minimum

Why does git push get rejected after git commit --amend?
  = reworded: What is the reason that pushing fails once I have amended a commit in git?
  ! question word: When may I force git push after git commit --amend?

How do I undo git add for one file?
  = number words: one file → 1 file
  = synonyms: undo → revert
  ! identifiers: git add → git commit
  ! quantifiers: for one file → for all files

Which port does PostgreSQL listen on by default?
  = abbreviation: PostgreSQL → Postgres
  = typos: Which port does PostgreSQL lisen on by defualt?
  ! names: PostgreSQL → MySQL
  ! topic: port → address

Can a user have more than one role?
  = number words: one role → 1 role
  ! direction: Can a role have more than one user?
  ! quantifiers: more than one role → no role at all
  ! modality: Can a user → Must a user

How do I sort the report in ascending order?
  = question form: Explain how to sort the report in ascending order.
  = typos: How do I sort teh report in ascendig order?
  ! antonyms: ascending → descending

Does COUNT(x) count NULL values in MySQL 8.0?
  = punctuation: does count(x) count null values in mysql 8.0
  = voice: Are NULL values counted by COUNT(x) in MySQL 8.0?
  ! identifiers: COUNT(x) → COUNT(*)
  ! topic: NULL values → zeros

What is the fee for sending £200 from the UK to Spain?
  = unit spelling: £200 → 200 pounds
  = word order: from the UK to Spain → to Spain from the UK
  = abbreviation: the UK → the United Kingdom
  ! direction: from the UK to Spain → from Spain to the UK
  ! units: £200 → $200
  ! names: Spain → Switzerland

Has my application been approved?
  = voice: Have you approved my application?
  ! tense: Has my application been approved → When will my application be approved
  ! antonyms: approved → rejected
  ! scope: my application → my partner's application

How much interest is paid on savings up to 10,000 euros?
  = punctuation: 10,000 → 10000
  = nominalisation: What is the interest payment on savings up to 10,000 euros?
  ! antonyms: up to → above
  ! numbers: 10,000 → 100,000
  ! topic: savings → loans

Is the invoice due on 01.02.2026 already paid?
  = date format: 01.02.2026 → 1 February 2026
  ! dates: 01.02.2026 → 10.02.2026
  ! negation: already paid → still unpaid

Which insurance covers damage to a neighbour's flat?
  = typos: Which insurence covers damage to a neighbor's flat?
  ! direction: Which insurance covers damage by a neighbour to my flat?
  ! negation: covers → doesn't cover
  ! quantifiers: Which insurance covers → Does every insurance cover

Who was managing director in 2019?
  = abbreviation: managing director → MD
  = date format: in 2019 → in the year 2019
  ! dates: 2019 → 2009
  ! tense: Who is managing director now?
  ! question word: Who was managing director in 2019 → How long was she managing director after 2019

Had the warranty run out when the screen broke on 2 June 2025?
  = date format: 2 June 2025 → 2025-06-02
  = synonyms: run out → expired
  ! dates: 2 June 2025 → 6 February 2025
  ! scope: the screen broke → the screen was repaired

Which bank holidays lie between 1 April and 31 May 2027?
  = date format: 1 April and 31 May 2027 → 01/04/2027 and 31/05/2027
  = nominalisation: What are the bank holidays between 1 April and 31 May 2027?
  ! dates: 2027 → 2028
  ! dates: 1 April → 1 May
  ! question word: Which → How many
"""
