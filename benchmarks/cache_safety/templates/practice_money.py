"""Practice split: bank, tax, insurance, shop, tenancy, rights and the office; written for this suite."""

QUESTIONS = r"""
How do I pause my pension contributions?
  = question form: Steps to pause my pension contributions, please.
  = nominalisation: How does the pausing of my pension contributions work?
  = reworded: I want to stop paying into my pension for a while. How is that done?
  ! antonyms: pause → resume
  ! quantifiers: my pension contributions → half of my pension contributions
  ! question word: How do I → Why can't I

Can I lend my bank card to my partner?
  = synonyms: Can I → Am I allowed to
  = reworded: Is it permitted that my partner borrows my bank card from me?
  = politeness: Can I lend my bank card to my partner, please?
  ! near words: lend → send
  ! direction: Can I borrow my partner's bank card?
  ! modality: Can I → Must I

What is the daily limit for cash withdrawals abroad?
  = nominalisation: How much cash am I able to withdraw abroad per day?
  = question form: daily limit cash withdrawals abroad
  = abbreviation: the daily limit → the daily max.
  ! units: daily → monthly
  ! antonyms: withdrawals → deposits
  ! scope: abroad → at our own branches

When was my last mortgage payment received?
  = voice: When did you receive my last mortgage payment?
  = politeness: Would you mind telling me when my last mortgage payment was received?
  = typos: When was my last morgage payment recieved?
  ! comparatives: last → first
  ! tense: When was my last mortgage payment received → When is my last mortgage payment due

Will I be charged a fee if I pay off the loan early?
  = voice: Will you charge me a fee if I pay off the loan early?
  = word order: pay off the loan early → pay the loan off early
  = nominalisation: Will I be charged a fee for early repayment of the loan?
  ! antonyms: early → late
  ! topic: pay off the loan → pay in the cheque
  ! negation: if I pay off the loan early → if I don't pay off the loan early

Which forms does a sole trader have to hand in by 31 January 2026?
  = date format: 31 January 2026 → 31/01/2026
  = voice: Which forms have to be handed in by a sole trader by 31 January 2026?
  = synonyms: hand in → submit
  ! dates: 2026 → 2027
  ! modality: does a sole trader have to → may a sole trader
  ! topic: sole trader → limited company

Is the VAT number the same as the company registration number?
  = abbreviation: VAT → value added tax
  = word order: Is the company registration number the same as the VAT number?
  = synonyms: the same as → identical to
  ! topic: VAT number → tax reference
  ! modality: Is the VAT number the same as → Must the VAT number be printed next to

Is a gift of €20,000 from my aunt taxed?
  = unit spelling: €20,000 → 20,000 euros
  = reworded: My aunt has made me a present of €20,000. Is it taxed?
  = question form: Tax on a gift of €20,000 from my aunt?
  ! direction: from my aunt → to my aunt
  ! numbers: 20,000 → 200,000
  ! names: aunt → husband

What's the interest rate if the money stays in for 3 years?
  = contraction: What's → What is
  = number words: 3 years → three years
  = word order: If the money stays in for 3 years, what's the interest rate?
  ! units: 3 years → 3 months
  ! numbers: 3 years → 5 years

How do I dispute a card payment that I didn't authorise?
  = contraction: didn't → did not
  = kept negation: a card payment that I didn't authorise → an unauthorised card payment
  = synonyms: dispute → contest
  ! negation: didn't authorise → authorised
  ! antonyms: dispute → repeat

Does the home policy include legal expenses cover?
  = voice: Is legal expenses cover included in the home policy?
  = reworded: Does cover for legal expenses come with the home policy?
  = typos: Does the home polcy inlcude legal expences cover?
  ! topic: legal expenses → bicycle theft
  ! tense: Does the home policy include → Will the home policy from next year include
  ! quantifiers: Does the home policy → Does every policy

Does my travel insurance pay if I cancel the trip because I fall ill?
  = nominalisation: Does my travel insurance pay if I cancel the trip because of my falling ill?
  = word order: If I cancel the trip because I fall ill, does my travel insurance pay?
  = question form: Tell me whether my travel insurance pays if I cancel the trip because I fall ill.
  ! negation: because I fall ill → although I'm not ill
  ! direction: if I cancel the trip because I fall ill → if I fall ill because I cancel the trip
  ! topic: cancel the trip → interrupt the trip

Can a claim be made by someone other than the policyholder?
  = voice: Can someone other than the policyholder make a claim?
  = kept negation: someone other than the policyholder → someone who isn't the policyholder
  ! negation: by someone other than the policyholder → by the policyholder
  ! modality: Can → Must
  ! question word: Can a claim be made → How can a claim be made

How many weeks' notice do I have to give after two years in the job?
  = reworded: How long a notice period, in weeks, must I observe when I've been in the job for two years?
  = number words: two years → 2 years
  = abbreviation: How many weeks' notice → How many wks' notice
  ! numbers: two years → ten years
  ! direction: do I have to give → does my employer have to give me
  ! units: two years → two months

Who signs off the expenses of a team lead?
  = word order: signs off the expenses of a team lead → signs a team lead's expenses off
  = voice: By whom are the expenses of a team lead signed off?
  = synonyms: signs off → approves
  ! direction: Whose expenses does a team lead sign off?
  ! topic: expenses → holidays

My manager hasn't replied to my leave request. Does silence count as approval?
  = contraction: hasn't → has not
  = voice: My leave request hasn't been replied to by my manager. Does silence count as approval?
  = kept negation: My leave request remains unanswered by my manager. Does silence count as approval?
  ! antonyms: approval → refusal
  ! scope: to my leave request. → to my leave request, but HR has.

Are contractors allowed to attend the summer party?
  = synonyms: allowed → permitted
  = question form: I was wondering if contractors are allowed to attend the summer party.
  = nominalisation: Is attendance at the summer party allowed for contractors?
  ! modality: allowed → required
  ! scope: Are contractors → Are only contractors
  ! topic: summer party → safety briefing

What isn't covered by the guarantee?
  = contraction: isn't → is not
  = kept negation: What isn't covered by → What is excluded from
  = voice: What doesn't the guarantee cover?
  ! negation: isn't → is
  ! tense: What isn't covered → What wasn't until recently covered

Does a clause in the small print bind the customer?
  = voice: Is the customer bound by a clause in the small print?
  = typos: Does a claus in the smal print bind the custommer?
  = question form: Clause in the small print: is it binding on the customer?
  ! names: the customer → the company
  ! quantifiers: a clause → every clause
  ! topic: a clause in → a misprint in

Who inherits if someone dies intestate?
  = kept negation: dies intestate → dies without a will
  = nominalisation: Who are the heirs if someone dies intestate?
  = politeness: Sorry, but may I ask who inherits if someone dies intestate?
  ! near words: intestate → interstate
  ! negation: dies intestate → dies and has left a will
  ! question word: Who → How long does it take until somebody

Can the landlord come into my flat without my permission?
  = kept negation: without my permission → if I haven't given permission
  = synonyms: come into → enter
  = politeness: Excuse me, can the landlord come into my flat without my permission?
  ! negation: without → with
  ! names: the landlord → the police
  ! scope: my flat → my flat in an emergency

How old must I be at least to rent a van?
  = nominalisation: What is the minimum age for the rental of a van?
  = word order: At least how old must I be to rent a van?
  = reworded: How old must I be at least → What's the lowest age at which I'm allowed
  ! comparatives: at least → at most
  ! topic: rent a van → buy a van
  ! names: a van → a scooter

Can I send back items that were on sale?
  = word order: Can I send items that were on sale back?
  = synonyms: send back → return
  = voice: Can items that were on sale be sent back?
  ! negation: were on sale → weren't on sale
  ! quantifiers: items that → only items that
  ! topic: send back → reserve

When will order 48213 be dispatched?
  = voice: When will you dispatch order 48213?
  = abbreviation: order 48213 → order no. 48213
  = politeness: Dear team, when will order 48213 be dispatched? Kind regards, Anna
  ! identifiers: 48213 → 48231
  ! tense: When will order 48213 be → When was order 48213
  ! near words: dispatched → patched

Is the refund paid in cash or as a voucher?
  = word order: in cash or as a voucher → as a voucher or in cash
  = voice: Do you pay the refund in cash or as a voucher?
  = question form: Tell me if the refund is paid in cash or as a voucher.
  ! near words: refund → fund
  ! question word: Is the refund paid → Who decides if the refund is paid

How much is 250 Swiss francs in euros?
  = unit spelling: 250 Swiss francs → CHF 250
  = word order: In euros, how much is 250 Swiss francs?
  = punctuation: how much is 250 swiss francs in euros
  ! direction: How much is 250 euros in Swiss francs?
  ! numbers: 250 → 2,500
  ! units: euros → US dollars

Which accounts can't be opened online?
  = contraction: can't → cannot
  = voice: Which accounts can't I open online?
  = kept negation: Which accounts can't be opened online → Which accounts is it impossible to open online
  ! negation: can't → can
  ! antonyms: opened → closed

Does the contract renew itself unless I object?
  = kept negation: unless I object → if I don't object
  = word order: Unless I object, does the contract renew itself?
  = nominalisation: Is there an automatic renewal of the contract unless I object?
  ! negation: unless → if
  ! modality: Does the contract renew itself → Can the contract be renewed

Until what time do I have to pay for parking here on weekdays?
  = synonyms: Until what time → Till when
  = nominalisation: Until what time is payment for parking required here on weekdays?
  = typos: Untill what time do I have to pay for parkng here on weekdays?
  ! direction: Until → From
  ! dates: on weekdays → on Sundays

Who was absent from the board meeting on 9 September?
  = kept negation: Who was absent from → Who wasn't present at
  = date format: 9 September → September 9th
  = reworded: On 9 September, which board members were missing when the board met?
  ! antonyms: absent from → present at
  ! dates: 9 September → 19 September
  ! question word: Who was → Why was nobody

How much did the council spend on roads in 2022?
  = nominalisation: What was the council's spending on roads in 2022?
  = voice: How much was spent on roads by the council in 2022?
  = word order: In 2022, how much did the council spend on roads?
  ! dates: 2022 → 2012
  ! tense: did the council spend on roads in 2022 → will the council spend on roads
  ! antonyms: spend on → earn from

Is it forbidden to record a phone call without telling the other person?
  = kept negation: Is it forbidden to record → Is it not allowed to record
  = nominalisation: Is the recording of a phone call without telling the other person forbidden?
  = abbreviation: a phone call → a telephone call
  ! negation: without telling → after telling
  ! scope: a phone call → a call in which I don't take part
  ! modality: Is it forbidden to → Am I obliged to

Do I need to send the original certificate, or will a copy do?
  = word order: Will a copy of the certificate do, or do I need to send the original?
  = synonyms: will a copy do → is a copy enough
  = voice: Does the original certificate need to be sent, or will a copy do?
  ! topic: certificate → invoice
  ! tense: Did I send the original certificate or a copy?

Who pays the agent's commission, the buyer or the seller?
  = word order: the buyer or the seller → the seller or the buyer
  = voice: By whom is the agent's commission paid, the buyer or the seller?
  = nominalisation: Is payment of the agent's commission the duty of the buyer or the seller?
  ! question word: How high is the agent's commission for the buyer and the seller?
  ! tense: Who pays → Who has already paid
  ! scope: the agent's commission → half of the agent's commission

Can I deduct the cost of my commute from my income?
  = reworded: Does what I pay for travelling to work and back reduce the income that is taxed?
  = voice: Can the cost of my commute be deducted from my income?
  = nominalisation: Is a deduction of the cost of my commute from my income possible?
  ! near words: commute → computer
  ! topic: from my income → from my rent
  ! comparatives: the cost → more than the actual cost

Is the shop open on Monday, 25 May 2026?
  = date format: Monday, 25 May 2026 → Monday, 2026-05-25
  = question form: Shop open on Monday, 25 May 2026?
  = politeness: Is the shop open on Monday, 25 May 2026? Many thanks
  ! dates: Monday, 25 May → Tuesday, 26 May
  ! scope: open → open after 6 pm
  ! topic: the shop → the service desk

Aren't trainees paid for overtime?
  = contraction: Aren't trainees → Are trainees not
  = voice: Don't they pay trainees for overtime?
  = synonyms: trainees → apprentices
  ! quantifiers: trainees → any staff
  ! near words: trainees → trainers

By how many percent did rents rise between 2015 and 2020?
  = nominalisation: What was the rise in rents between 2015 and 2020 in percent?
  = unit spelling: By how many percent → By how many %
  = synonyms: rise → go up
  ! dates: 2015 and 2020 → 2010 and 2015
  ! antonyms: rise → fall
  ! units: By how many percent → By how many euros per square metre

What was my balance on 1 March?
  = punctuation: what was my balance on 1 march
  = date format: 1 March → March 1st
  ! dates: 1 March → 31 March
  ! tense: What was my balance → What will my balance be
  ! units: my balance → my balance in dollars
  ! scope: my balance → our joint balance

Is a deposit of two months' rent allowed?
  = number words: two → 2
  = synonyms: allowed → lawful
  ! numbers: two → four
  ! modality: allowed → mandatory
  ! units: two months' → two weeks'
  ! topic: deposit → refund

Are all receipts under 20 pounds thrown away after one year?
  = number words: one year → 1 year
  ! quantifiers: Are all → Are any
  ! comparatives: under → over
  ! numbers: 20 → 200
  ! tense: Are all receipts under 20 pounds → Were all receipts under 20 pounds

What does form P45 show?
  = punctuation: what does form p45 show??
  ! identifiers: P45 → P60
  ! question word: What does form P45 show → Who fills in form P45
  ! negation: show → not show
  ! topic: show → cost

To whom did the bank sell my loan?
  = voice: To whom was my loan sold by the bank?
  = reworded: Who bought my loan from the bank?
  = word order: Who did the bank sell my loan to?
  ! direction: From whom did the bank buy my loan?
  ! question word: To whom → At what price
  ! topic: my loan → my data
  ! near words: loan → land

Must the yearly pay rise be at least 2 percent?
  = unit spelling: 2 percent → 2 %
  = kept negation: be at least → be no less than
  = synonyms: yearly → annual
  ! comparatives: at least → at most
  ! numbers: 2 percent → 12 percent
  ! modality: Must the yearly pay rise → Could the yearly pay rise

Has the supplier made a change to the delivery date?
  = nominalisation: made a change to → changed
  = voice: Has a change to the delivery date been made by the supplier?
  = reworded: the delivery date → the date of delivery
  ! direction: Has the supplier been told of a change to the delivery date?
  ! names: the supplier → the customer
  ! tense: Has the supplier made → Will the supplier make
  ! topic: date → address

Nobody signed page 3 of the lease. Is it void?
  = kept negation: Nobody signed page 3 of the lease → Page 3 of the lease was left unsigned
  = abbreviation: page 3 → p. 3
  = number words: page 3 → page three
  ! quantifiers: Nobody signed → Only one of us signed
  ! antonyms: void → valid
  ! numbers: page 3 → page 13

Why is payment 7 delayed?
  = nominalisation: What is the reason for the delay of payment 7?
  = contraction: Why is → Why's
  = question form: I need to know why payment 7 is delayed.
  ! numbers: payment 7 → payment 17
  ! question word: Why → By how much
  ! antonyms: delayed → early

Apart from the chair, who can sign cheques?
  = word order: Who can sign cheques apart from the chair?
  = kept negation: Who other than the chair can sign cheques?
  = synonyms: can → is allowed to
  ! modality: can → has to
  ! direction: Apart from cheques, what can the chair sign?
  ! near words: sign → send
  ! negation: who can sign → who can't sign

By when must the March invoice be paid?
  = reworded: the March invoice → the invoice for March
  = voice: By when must I pay the March invoice?
  = politeness: By when must the March invoice be paid? Sorry to chase!
  ! dates: the March invoice → the May invoice
  ! tense: By when must the March invoice be → When was the March invoice
  ! comparatives: By when must → From when on at the earliest may

Do you have to be resident here to open an account with us for your children?
  = nominalisation: Is residence here required to open an account with us for your children?
  = kept negation: Is it impossible to open an account with us for your children without being resident here?
  = word order: To open an account with us for your children, do you have to be resident here?
  ! names: for your children → for your parents
  ! tense: Do you have to be → Did you ever have to be
"""
